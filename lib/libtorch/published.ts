/** A file on PyTorch's download site. */
export interface PublishedFile {
  url: string;
  sha256: string;
}

/** What of libtorch's release `setup` takes without being told to: files with these sums and no others. */
export interface Published {
  /** PyTorch's own download for this platform, where there is one. */
  archive: PublishedFile | undefined;
  /** Wheels that pip may bring, by their names. */
  wheels: Readonly<Record<string, string>>;
}

const SITE = "https://download.pytorch.org";

/**
 * The builds for the CPU alone. There are others, for macOS and Windows, whose layout nobody here has tried; the wheels
 * of these platforms are the same libraries.
 */
const ARCHIVES: Readonly<Record<string, PublishedFile>> = {
  "linux-x64": {
    url: `${SITE}/libtorch/cpu/libtorch-shared-with-deps-2.13.0%2Bcpu.zip`,
    sha256: "edbf4cbed78433d803e90a65f1752e57783d164bce66c95c0872b2ab8f5c159e",
  },
  // There is no zip for it. Which Python a wheel is for does not matter to its libraries.
  "linux-arm64": {
    url: `${SITE}/whl/cpu/torch-2.13.0%2Bcpu-cp314-cp314-manylinux_2_28_aarch64.whl`,
    sha256: "ca021f9eb2f8345c83fa03e3a04587308afb8df71bd472670b3ece00df58621c",
  },
};

/**
 * Wheels of CPU builds: for macOS and Windows as the package index lists them, "+cpu" as PyTorch's own index does. A
 * new release of torch needs all of these anew; `pip download` and `pip hash` tell them.
 */
const WHEELS: Readonly<Record<string, string>> = {
  "torch-2.13.0-cp310-cp310-macosx_14_0_arm64.whl":
    "94f0de129916f77b8dc2c7a8eff644cfeddfe59e39c9f55e9f6e17543410281d",
  "torch-2.13.0-cp311-cp311-macosx_14_0_arm64.whl":
    "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
  "torch-2.13.0-cp312-cp312-macosx_14_0_arm64.whl":
    "2fe228aba290d14b9f31b049be550dbd469c3fd3013d7a19705b30454da97027",
  "torch-2.13.0-cp313-cp313-macosx_14_0_arm64.whl":
    "33449899ce5496c1b84b4853179d94fd102028ae1407314d9fb956bb79e70d09",
  "torch-2.13.0-cp314-cp314-macosx_14_0_arm64.whl":
    "d849b390e07d8d333ce8ecaf91b273c656c598379a19c9acf1318a883f6b391c",
  "torch-2.13.0-cp314-cp314t-macosx_14_0_arm64.whl":
    "c28def70706c2f9ecc752574766e8ae4da9b810ab6676b611166761a78a9f1e1",
  "torch-2.13.0+cpu-cp310-cp310-manylinux_2_28_aarch64.whl":
    "f028e428bddee95cdb86e2470254e95c9af629362488550c200ed4793125a817",
  "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_aarch64.whl":
    "84453b69508ec79902f899c5ed9495acb9e2bbe9fda5f1d5d6f19e3c3842e1a7",
  "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_aarch64.whl":
    "6f307c2c32d764ffc6ff6893b801fad6d4752f3e67966cb8abf1843427c02604",
  "torch-2.13.0+cpu-cp313-cp313-manylinux_2_28_aarch64.whl":
    "0b8f7d0423027ae8b90c7977c627f3379f325363a08224dffad9b4b2d684a83d",
  "torch-2.13.0+cpu-cp314-cp314-manylinux_2_28_aarch64.whl":
    "ca021f9eb2f8345c83fa03e3a04587308afb8df71bd472670b3ece00df58621c",
  "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl":
    "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
  "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl":
    "4ca4a9394b0c771238a4f73590fdbbc4debad85ed0fa63d026ae1b085da7d6e2",
  "torch-2.13.0+cpu-cp313-cp313-manylinux_2_28_x86_64.whl":
    "3fbf9c9d1f3c10c2d59d04aca426dee9ccc6ceb32d255c61e93acc3b4f75fae6",
  "torch-2.13.0+cpu-cp314-cp314-manylinux_2_28_x86_64.whl":
    "d20fa53ee744502fa4c69818a720b05ca0d37abd055d4f6e66cae155114bc691",
  "torch-2.13.0+cpu-cp312-cp312-win_amd64.whl":
    "a8b450c1e58e5800e5b4691dac412f8d2d65a1dc3298166f91596603a3531e6f",
  "torch-2.13.0-cp310-cp310-win_amd64.whl":
    "2bd30b6b730d987fa386ce3898933762c5cb8cc82eb0535211d787cc3ce2dfeb",
  "torch-2.13.0-cp311-cp311-win_amd64.whl":
    "a0d8b11f16a48d60e2015d8213aa0390744cbebb98e58b62b3514dddc656e330",
  "torch-2.13.0-cp312-cp312-win_amd64.whl":
    "024c6cc0c1b085f2f91f20a3dc27b0471d021c31ce84b81be3afdc39f791fd9d",
  "torch-2.13.0-cp313-cp313-win_amd64.whl":
    "49b58f1e2c52440abb6f17c28f0335fe6c6d01ad1a7f55b0183b81e4b34d64e6",
  "torch-2.13.0-cp314-cp314-win_amd64.whl":
    "4f8573e3ce9ebcd53fe922f01077a6085ccdfbe5f12fd215883a9d87d7a744fd",
  "torch-2.13.0-cp314-cp314t-win_amd64.whl":
    "a7de8a313090dc5c7d7ba4bfe5c3be222528f9a4dba1acc83bddb1157360c4b8",
};

export const PUBLISHED: Published = {
  archive: ARCHIVES[`${process.platform}-${process.arch}`],
  wheels: WHEELS,
};
