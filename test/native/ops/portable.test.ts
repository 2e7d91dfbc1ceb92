import { describeKernels } from "./kernels-suite.js";

describeKernels("portable");
