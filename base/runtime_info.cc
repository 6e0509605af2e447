// Prints LibTorch's settings on this machine: versions, threads, BLAS kernels, heap, and how idle
// threads wait.

#include <cstdio>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/program.h"
#include "rcnn/base/runtime.h"

int main(int argc, char** argv) {
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  const rcnn::RuntimeInfo info = rcnn::GetRuntimeInfo();
  std::printf("libtorch       %s\n", info.libtorch_version.c_str());
  std::printf("onednn         %s\n", info.onednn_version.c_str());
  std::printf("cuda           %s\n", info.cuda ? "yes" : "no");
  std::printf("threads        %d\n", info.threads);
  std::printf("allowed cores  %d\n", info.allowed_cores);
  std::printf("blas core      %s\n",
              info.blas_core.empty() ? "not OpenBLAS" : info.blas_core.c_str());
  std::printf("cpu features   %s\n", info.cpu_features.c_str());
  std::printf("instructions   %s\n", info.instructions.c_str());
  std::printf("aten kernels   %s\n", info.libtorch_kernels.c_str());
  std::printf("heap           %s\n", absl::StrJoin(info.heap, " ").c_str());
  std::printf("idle spinning  %s\n", absl::StrJoin(info.waiting, " ").c_str());
  return rcnn::ExitCode(absl::OkStatus());
}
