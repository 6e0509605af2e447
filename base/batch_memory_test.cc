#include "rcnn/base/batch_memory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

TEST(DescribeBatchTest, NamesHeightBeforeWidth) {
  EXPECT_EQ(DescribeBatch({2, 3, 800, 1333}), "2 images of 800 x 1333 pixels");
  EXPECT_EQ(DescribeBatch({1, 3, 600, 7}), "1 image of 600 x 7 pixels");
}

TEST(WithBatchTest, NamesDeviceBatchAndAdvice) {
  const c10::Device device(c10::DeviceType::CUDA, 1);
  EXPECT_THAT(
      WithBatch(absl::ResourceExhaustedError("CUDA out of memory. Tried to allocate 2.00 GiB"),
                device, {2, 3, 800, 1333}, "use smaller images"),
      StatusIs(absl::StatusCode::kResourceExhausted,
               "not enough memory on cuda:1 for 2 images of 800 x 1333 pixels: CUDA out of memory. "
               "Tried to allocate 2.00 GiB; use smaller images"));
}

TEST(WithBatchTest, OtherErrorsStay) {
  const c10::Device cpu(c10::DeviceType::CPU);
  EXPECT_THAT(WithBatch(absl::OkStatus(), cpu, {1, 3, 2, 2}, "rest"), IsOk());
  EXPECT_THAT(WithBatch(absl::InternalError("no"), cpu, {1, 3, 2, 2}, "rest"),
              StatusIs(absl::StatusCode::kInternal, "no"));
}

}  // namespace
}  // namespace rcnn
