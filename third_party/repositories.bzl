"""Every third-party library, under its usual name and replaceable.

Another workspace that has a library already defines it before calling rcnn_repositories(), and keeps its own.
"""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")
load("//third_party:system_library.bzl", "system_library")
load("//third_party/absl:absl.bzl", "system_absl")
load("//third_party/bazel:shims.bzl", "coverage_tools_shim", "debian_rules", "rules_cc_shim")
load("//third_party/cuda:cuda.bzl", "system_cuda")
load("//third_party/gcc_plugin:gcc_plugin.bzl", "system_gcc_plugin")
load("//third_party/libtorch:libtorch.bzl", "system_libtorch")

# Below /usr/include, where Debian puts headers that differ by processor; compilers look there by themselves.
_MULTIARCH_FOLDERS = ["x86_64-linux-gnu", "aarch64-linux-gnu"]

def _system(name, **kwargs):
    maybe(system_library, name = name, **kwargs)

def _bazel_repositories():
    maybe(rules_cc_shim, name = "rules_cc")
    maybe(system_gcc_plugin, name = "gcc_plugin")
    maybe(coverage_tools_shim, name = "remote_coverage_tools")
    maybe(debian_rules, name = "rules_java", path = "/usr/share/bazel/rules/java", package = "bazel-rules-java")
    maybe(debian_rules, name = "rules_proto", path = "/usr/share/bazel/rules/proto", package = "bazel-rules-proto")
    maybe(debian_rules, name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib", package = "bazel-skylib")

def _google_repositories():
    maybe(system_absl, name = "com_google_absl")
    _system(
        name = "com_github_gflags_gflags",
        display_name = "gflags",
        header = "gflags/gflags.h",
        overlays = {"@rcnn//third_party/gflags:gflags.BUILD": "BUILD"},
        packages = ["libgflags-dev"],
        pkg_config = "gflags",
    )
    _system(
        name = "com_github_google_glog",
        display_name = "glog",
        header = "glog/logging.h",
        overlays = {"@rcnn//third_party/glog:glog.BUILD": "BUILD"},
        packages = ["libgoogle-glog-dev"],
        pkg_config = "libglog",
    )
    _system(
        name = "com_google_googletest",
        display_name = "GoogleTest",
        header = "gmock/gmock.h",
        overlays = {"@rcnn//third_party/googletest:googletest.BUILD": "BUILD"},
        packages = ["libgtest-dev", "libgmock-dev"],
        pkg_config = "gtest",
    )
    _system(
        name = "com_github_google_benchmark",
        display_name = "Google Benchmark",
        header = "benchmark/benchmark.h",
        overlays = {"@rcnn//third_party/benchmark:benchmark.BUILD": "BUILD"},
        packages = ["libbenchmark-dev"],
        pkg_config = "benchmark",
    )
    _system(
        name = "com_google_protobuf",
        display_name = "Protocol Buffers",
        header = "google/protobuf/message.h",
        overlays = {"@rcnn//third_party/protobuf:protobuf.BUILD": "BUILD"},
        packages = ["libprotobuf-dev", "protobuf-compiler"],
        pkg_config = "protobuf",
        programs = ["protoc"],
    )

def _numeric_repositories():
    maybe(system_libtorch, name = "libtorch")
    maybe(system_cuda, name = "cuda")
    _system(
        name = "gloo",
        display_name = "Gloo",
        header = "gloo/context.h",
        overlays = {"@rcnn//third_party/gloo:gloo.BUILD": "BUILD"},
        packages = ["libgloo-dev"],
        version_header = "gloo/config.h",
        version_macros = ["GLOO_VERSION_MAJOR", "GLOO_VERSION_MINOR", "GLOO_VERSION_PATCH"],
    )
    _system(
        name = "eigen",
        display_name = "Eigen",
        header = "Eigen/Core",
        include_folders = ["eigen3", ""],
        overlays = {"@rcnn//third_party/eigen:eigen.BUILD": "BUILD"},
        packages = ["libeigen3-dev"],
        pkg_config = "eigen3",
    )
    _system(
        name = "opencv",
        display_name = "OpenCV with its contributed modules",
        header = "opencv2/ximgproc/segmentation.hpp",
        include_folders = ["opencv4", ""],
        overlays = {"@rcnn//third_party/opencv:opencv.BUILD": "BUILD"},
        packages = ["libopencv-core-dev", "libopencv-imgproc-dev", "libopencv-contrib-dev"],
        version_header = "opencv2/core/version.hpp",
        version_macros = ["CV_VERSION_MAJOR", "CV_VERSION_MINOR", "CV_VERSION_REVISION"],
    )

def _format_repositories():
    _system(
        name = "nlohmann_json",
        display_name = "JSON for Modern C++",
        header = "nlohmann/json.hpp",
        overlays = {"@rcnn//third_party/nlohmann_json:nlohmann_json.BUILD": "BUILD"},
        packages = ["nlohmann-json3-dev"],
        pkg_config = "nlohmann_json",
    )
    _system(
        name = "simdjson",
        display_name = "simdjson",
        header = "simdjson.h",
        overlays = {"@rcnn//third_party/simdjson:simdjson.BUILD": "BUILD"},
        packages = ["libsimdjson-dev"],
        pkg_config = "simdjson",
    )
    _system(
        name = "pugixml",
        display_name = "pugixml",
        header = "pugixml.hpp",
        overlays = {"@rcnn//third_party/pugixml:pugixml.BUILD": "BUILD"},
        packages = ["libpugixml-dev"],
        pkg_config = "pugixml",
    )
    _system(
        name = "yaml_cpp",
        display_name = "yaml-cpp",
        header = "yaml-cpp/yaml.h",
        overlays = {"@rcnn//third_party/yaml_cpp:yaml_cpp.BUILD": "BUILD"},
        packages = ["libyaml-cpp-dev"],
        pkg_config = "yaml-cpp",
    )
    _system(
        name = "libcsv",
        display_name = "libcsv",
        header = "csv.h",
        overlays = {"@rcnn//third_party/libcsv:libcsv.BUILD": "BUILD"},
        packages = ["libcsv-dev"],
        version_header = "csv.h",
        version_macros = ["CSV_MAJOR", "CSV_MINOR", "CSV_RELEASE"],
    )
    _system(
        name = "libzip",
        display_name = "libzip",
        header = "zip.h",
        overlays = {"@rcnn//third_party/libzip:libzip.BUILD": "BUILD"},
        packages = ["libzip-dev"],
        pkg_config = "libzip",
    )
    _system(
        name = "libarchive",
        display_name = "libarchive",
        header = "archive.h",
        overlays = {"@rcnn//third_party/libarchive:libarchive.BUILD": "BUILD"},
        packages = ["libarchive-dev"],
        pkg_config = "libarchive",
    )
    _system(
        name = "openssl",
        display_name = "OpenSSL",
        header = "openssl/evp.h",
        overlays = {"@rcnn//third_party/openssl:openssl.BUILD": "BUILD"},
        packages = ["libssl-dev"],
        pkg_config = "libcrypto",
    )
    _system(
        name = "libexif",
        display_name = "libexif",
        header = "libexif/exif-data.h",
        overlays = {"@rcnn//third_party/libexif:libexif.BUILD": "BUILD"},
        packages = ["libexif-dev"],
        pkg_config = "libexif",
    )

def _image_repositories():
    _system(
        name = "giflib",
        display_name = "GIFLIB",
        header = "gif_lib.h",
        overlays = {"@rcnn//third_party/giflib:giflib.BUILD": "BUILD"},
        packages = ["libgif-dev"],
        pkg_config = "libgif",
    )
    _system(
        name = "libjpeg_turbo",
        display_name = "libjpeg-turbo",
        header = "jpeglib.h",
        overlays = {"@rcnn//third_party/libjpeg_turbo:libjpeg_turbo.BUILD": "BUILD"},
        packages = ["libjpeg-dev"],
        pkg_config = "libjpeg",
    )
    _system(
        name = "libpng",
        display_name = "libpng",
        header = "png.h",
        overlays = {"@rcnn//third_party/libpng:libpng.BUILD": "BUILD"},
        packages = ["libpng-dev"],
        pkg_config = "libpng",
    )
    _system(
        name = "libtiff",
        display_name = "LibTIFF",
        header = "tiffio.h",
        include_folders = [""] + _MULTIARCH_FOLDERS,
        overlays = {"@rcnn//third_party/libtiff:libtiff.BUILD": "BUILD"},
        packages = ["libtiff-dev"],
        pkg_config = "libtiff-4",
    )
    _system(
        name = "libwebp",
        display_name = "libwebp",
        header = "webp/demux.h",
        overlays = {"@rcnn//third_party/libwebp:libwebp.BUILD": "BUILD"},
        packages = ["libwebp-dev"],
        pkg_config = "libwebpdemux",
    )

def rcnn_repositories():
    """Declares what rcnn depends on, except what the calling workspace declared before."""
    _bazel_repositories()
    _google_repositories()
    _numeric_repositories()
    _format_repositories()
    _image_repositories()
