#include "rcnn/training/trainer/memory_error.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Status Error(const c10::Device& device) {
  return TrainingMemoryError("CUDA out of memory", "iteration 12 on the images a, b", device,
                             {2, 3, 800, 1333});
}

TEST(TrainingMemoryErrorTest, OnAGpu) {
  EXPECT_THAT(Error(c10::Device(c10::DeviceType::CUDA, 1)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("not enough memory on cuda:1 for iteration 12 on the images "
                                       "a, b, 2 images of 800 x 1333 pixels: CUDA out of memory; "),
                             HasSubstr("images_per_batch"), HasSubstr("transform.resize"),
                             HasSubstr("training.precision: BFLOAT16"),
                             HasSubstr("resources.training_graphs"),
                             HasSubstr("resources.feature_cache_mib"))));
}

TEST(TrainingMemoryErrorTest, OnTheCpuThereIsNoOtherPrecision) {
  EXPECT_THAT(Error(c10::Device(c10::DeviceType::CPU)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("on cpu for iteration 12"), Not(HasSubstr("precision")))));
}

}  // namespace
}  // namespace rcnn::training
