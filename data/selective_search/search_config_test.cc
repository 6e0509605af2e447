#include "rcnn/data/selective_search/search_config.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/selective_search.pb.h"

namespace rcnn::data {
namespace {

using configs::SelectiveSearchConfig;
using ::testing::HasSubstr;

TEST(SearchConfigTest, ValuesOutOfRangeAreErrorsThatNameTheField) {
  const auto check = [](void (*change)(SelectiveSearchConfig&)) {
    SelectiveSearchConfig config;
    change(config);
    return CheckSelectiveSearchConfig(config);
  };
  EXPECT_THAT(check([](SelectiveSearchConfig&) {}), IsOk());
  EXPECT_THAT(check([](SelectiveSearchConfig& c) { c.set_max_longest_side_px(3); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_longest_side_px is 3")));
  EXPECT_THAT(check([](SelectiveSearchConfig& c) { c.set_base_k(-1); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("base_k is -1")));
  EXPECT_THAT(check([](SelectiveSearchConfig& c) { c.set_sigma(0); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sigma is 0")));
  EXPECT_THAT(check([](SelectiveSearchConfig& c) { c.set_max_boxes(-5); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_boxes is -5")));
}

}  // namespace
}  // namespace rcnn::data
