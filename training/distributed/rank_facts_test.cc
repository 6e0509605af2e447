#include "rcnn/training/distributed/rank_facts.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

absl::Status Compare(const std::vector<Facts>& of_ranks) {
  std::vector<std::string> packed;
  for (const Facts& facts : of_ranks) packed.push_back(PackFacts(facts));
  return CompareFacts(packed);
}

TEST(CompareFactsTest, EqualFactsAreNoError) {
  EXPECT_THAT(Compare({{}, {}, {}}), IsOk());
  const Facts facts = {{"seed", "3"}, {"data.train", "af01"}};
  EXPECT_THAT(Compare({facts, facts}), IsOk());
}

TEST(CompareFactsTest, TheFirstDifferenceIsNamedWithBothValues) {
  EXPECT_THAT(Compare({{{"seed", "3"}, {"data.train", "af01"}},
                       {{"seed", "3"}, {"data.train", "af01"}},
                       {{"seed", "3"}, {"data.train", "77b2"}}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("data.train of rank 0 is af01, of rank 2 77b2")));
}

TEST(CompareFactsTest, AFactThatOneRankLacksIsADifference) {
  const Facts more = {{"seed", "3"}, {"rate", "0.1"}}, less = {{"seed", "3"}};
  EXPECT_THAT(Compare({less, more}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("rate of rank 0 is (nothing), of rank 1 0.1")));
  EXPECT_THAT(Compare({more, less}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("rate of rank 0 is 0.1, of rank 1 (nothing)")));
}

}  // namespace
}  // namespace rcnn::training
