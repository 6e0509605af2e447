#include "rcnn/detection/weights/pickle_memory.h"

#include <cstddef>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::HasSubstr;

TEST(CheckPickleMemoryTest, IsAMultipleOfTheFileBesideWhatIsFree) {
  const size_t most = kFreePickleMemory + 10 * kPickleMemoryPerByte;
  EXPECT_THAT(CheckPickleMemory(most, 10), IsOk());
  EXPECT_THAT(CheckPickleMemory(most + 1, 10),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("damaged or malicious")));
}

TEST(PickleMemoryTest, WhatIsAddedCounts) {
  for (const int what : {0, 1, 2}) {
    PickleMemory memory(0);
    EXPECT_THAT(memory.Check(0, 0, 0, 0), IsOk());
    if (what == 0) memory.AddText(kFreePickleMemory);
    if (what == 1) memory.AddTuple(kFreePickleMemory / sizeof(void*));
    if (what == 2) memory.AddItems(kFreePickleMemory / sizeof(void*));
    EXPECT_THAT(memory.Check(0, 0, 0, 0), StatusIs(absl::StatusCode::kResourceExhausted)) << what;
  }
}

TEST(PickleMemoryTest, ShortTextsLieInTheirValues) {
  PickleMemory memory(0);
  for (size_t i = 0; i < kFreePickleMemory; ++i) memory.AddText(15);
  EXPECT_THAT(memory.Check(0, 0, 0, 0), IsOk());
}

// The memory of a vector stays when elements are removed.
TEST(PickleMemoryTest, TheLargestStackCounts) {
  const size_t many = kFreePickleMemory / sizeof(void*);
  PickleMemory memory(0);
  EXPECT_THAT(memory.Check(0, 0, many, 0), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(memory.Check(0, 0, 0, 0), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(PickleMemory(0).Check(many, 0, 0, 0), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(PickleMemory(0).Check(0, many, 0, 0), StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace rcnn::detection::weights
