// Times rcnn's operators and torchvision's alternately in one process and prints a
// Markdown table: ./bazelw run //ops:compare_with_torchvision.
//
// Both sides run with the same LibTorch, threads, BLAS and heap (base/runtime.h).

#include <c10/util/Exception.h>
#include <gflags/gflags.h>

#include <cstdio>
#include <string>

#include "rcnn/base/runtime.h"
#include "rcnn/ops/comparison/alternate.h"
#include "rcnn/ops/comparison/images.h"
#include "rcnn/ops/comparison/overlaps.h"
#include "rcnn/ops/comparison/rois.h"
#include "rcnn/ops/comparison/suppression.h"
#include "rcnn/ops/testing/torchvision.h"

DEFINE_int32(rounds, 9,
             "Number of timed runs of each side, alternating, >= 5; the table shows "
             "medians.");

namespace {

void CompareAll() {
  rcnn::ops::Comparison table(FLAGS_rounds);
  rcnn::ops::CompareNms(&table);
  rcnn::ops::CompareBatchedNms(&table);
  rcnn::ops::CompareProposals(&table);
  rcnn::ops::CompareRoiAlign(&table);
  rcnn::ops::CompareRoiPool(&table);
  rcnn::ops::CompareIou(&table);
  rcnn::ops::ComparePreprocess(&table);
}

}  // namespace

int main(int argc, char** argv) {
  rcnn::InitRuntime({"Compares rcnn's operators with torchvision's.", false, {}}, &argc, &argv);
  if (const absl::Status& loaded = rcnn::ops::testing::LoadTorchvision(); !loaded.ok()) {
    std::fprintf(stderr, "%s\n", std::string(loaded.message()).c_str());
    return 1;
  }
  if (FLAGS_rounds < 5) {
    std::fprintf(stderr, "--rounds=%d: at least 5 are needed\n", FLAGS_rounds);
    return 1;
  }
  std::printf("%d threads, BLAS kernels %s\n\n", rcnn::GetRuntimeInfo().threads,
              rcnn::GetRuntimeInfo().blas_core.c_str());
  CompareAll();
  return 0;
}
