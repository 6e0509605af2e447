#include "rcnn/data/loader/loader_resources.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/loader.pb.h"

namespace rcnn::data {
namespace {

absl::Status Check(int workers, int prefetched_batches) {
  configs::LoaderResources resources;
  resources.set_workers(workers);
  resources.set_prefetched_batches(prefetched_batches);
  return CheckLoaderResources(resources);
}

TEST(LoaderResourcesTest, BoundsAreInside) {
  EXPECT_THAT(CheckLoaderResources({}), IsOk());
  EXPECT_THAT(Check(0, 1), IsOk());
  EXPECT_THAT(Check(256, 1024), IsOk());
}

TEST(LoaderResourcesTest, ErrorsNameTheField) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Check(-1, 1), StatusIs(code, "workers is -1, not in [0, 256]"));
  EXPECT_THAT(Check(257, 1), StatusIs(code, "workers is 257, not in [0, 256]"));
  EXPECT_THAT(Check(0, 0), StatusIs(code, "prefetched_batches is 0, not in [1, 1024]"));
  EXPECT_THAT(Check(0, 1025), StatusIs(code, "prefetched_batches is 1025, not in [1, 1024]"));
}

}  // namespace
}  // namespace rcnn::data
