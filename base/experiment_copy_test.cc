#include "rcnn/base/experiment_copy.h"

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

constexpr char kText[] = "name: \"cells\"\nseed: 5\n";

TEST(ExperimentCopyTest, GivesBackTheText) {
  EXPECT_THAT(ParseExperimentCopy(ExperimentCopyText(kText)), IsOkAndHolds(kText));
  EXPECT_THAT(ParseExperimentCopy(ExperimentCopyText("")), IsOkAndHolds(""));
}

TEST(ExperimentCopyTest, NoFlippedBitPasses) {
  std::string copy = ExperimentCopyText(kText);
  for (size_t bit = 0; bit < 8 * copy.size(); ++bit) {
    copy[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_THAT(ParseExperimentCopy(copy), StatusIs(absl::StatusCode::kDataLoss)) << copy;
    copy[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(ExperimentCopyTest, ATextWithoutItsFirstLineIsNotACopy) {
  for (const char* text : {kText, "", "\n"}) {
    EXPECT_THAT(ParseExperimentCopy(text), StatusIs(absl::StatusCode::kDataLoss)) << text;
  }
}

}  // namespace
}  // namespace rcnn
