import { describeKernels } from "./kernels-suite.js";

describeKernels("avx512");
