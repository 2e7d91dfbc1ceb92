# The same addons as CMakeLists.txt builds, with the same flags and from the same list of sources, for those who build
# with node-gyp: LIBTORCH=<folder with lib/ and include/> npm run build:gyp
{
  "variables": {
    "libtorch%": "<!(node -p \"process.env.LIBTORCH || ''\")"
  },
  "target_defaults": {
    "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": [
      "NAPI_VERSION=9",
      "NODE_ADDON_API_CPP_EXCEPTIONS",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED"
    ],
    "configurations": { "Release": { "defines": ["NDEBUG"] } },
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20", "-fexceptions", "-fvisibility=hidden", "-fvisibility-inlines-hidden"],
    "msvs_settings": {
      "VCCLCompilerTool": { "ExceptionHandling": 1, "RuntimeTypeInfo": "true", "RuntimeLibrary": 2, "AdditionalOptions": ["/std:c++20"] }
    },
    "xcode_settings": {
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_ENABLE_CPP_RTTI": "YES",
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES"
    },
    "conditions": [
      ["OS=='linux'", {
        "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,--as-needed", "-Wl,--version-script=<(module_root_dir)/native/exports.map"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "loader",
      "sources": ["<!@(node -p \"require('./native/sources.json').loader.join(' ')\")"]
    },
    {
      "target_name": "engine",
      "sources": ["<!@(node scripts/gyp-units.mjs engine)"],
      "include_dirs": ["<(libtorch)/include", "<(libtorch)/include/torch/csrc/api/include", "node_modules/@nozbe/simdjson/src"],
      # OpenMP is compiled in and not linked, for the reason that CMakeLists.txt gives.
      "cflags_cc": ["-fopenmp"],
      "xcode_settings": { "OTHER_CFLAGS": ["-Xclang", "-fopenmp"] },
      "msvs_settings": {
        "VCCLCompilerTool": { "OpenMP": "true" },
        "VCLinkerTool": { "IgnoreDefaultLibraryNames": ["vcomp.lib"] }
      },
      "conditions": [
        ["OS=='win'", {
          "libraries": ["<(libtorch)/lib/torch_cpu.lib", "<(libtorch)/lib/c10.lib"]
        }, {
          "libraries": ["-L<(libtorch)/lib", "-ltorch_cpu", "-lc10"]
        }]
      ]
    }
  ]
}
