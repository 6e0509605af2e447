#include "rcnn/detection/weights/name_map.h"

#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

NameMap Map() {
  NameMap map;
  map.name = "theirs";
  map.rules = {{"features.0.*", "backbone.conv1_1.*"},
               {"fc.*", ""},
               {"rpn.conv.0.*", "rpn.conv.*"},
               {"rpn.conv.*", "rpn.conv.*", /*only_to_ours=*/true},
               {"temperature", "head.temperature"}};
  return map;
}

StateDict State(std::initializer_list<const char*> names) {
  StateDict state;
  for (const char* name : names) {
    state.Add(name, at::full({1}, static_cast<double>(state.size())));
  }
  return state;
}

std::vector<std::string> Names(const StateDict& state) {
  std::vector<std::string> names;
  for (const StateDict::Entry& entry : state) names.push_back(entry.name);
  return names;
}

TEST(NameMapTest, FirstMatchingRuleWins) {
  EXPECT_EQ(OurName(Map(), "rpn.conv.0.weight"), "rpn.conv.weight");
  EXPECT_EQ(OurName(Map(), "rpn.conv.weight"), "rpn.conv.weight");
  EXPECT_EQ(OurName(Map(), "temperature"), "head.temperature");
  EXPECT_EQ(OurName(Map(), "fc.weight"), "");
}

TEST(NameMapTest, StarStandsForAtLeastOneCharacter) {
  EXPECT_EQ(OurName(Map(), "features.0."), std::nullopt);
  EXPECT_EQ(OurName(Map(), "features.0"), std::nullopt);
  EXPECT_EQ(OurName(Map(), "features.01.weight"), std::nullopt);
  EXPECT_EQ(OurName(Map(), ""), std::nullopt);
}

TEST(NameMapTest, PrefixAndSuffixMayNotOverlapInAName) {
  NameMap map;
  map.rules = {{"aba*ba", "x*"}};
  EXPECT_EQ(OurName(map, "aba"), std::nullopt);
  EXPECT_EQ(OurName(map, "ababa"), std::nullopt);
  EXPECT_EQ(OurName(map, "abacba"), "xc");
}

TEST(NameMapTest, ReversesToTheMainSpelling) {
  EXPECT_EQ(TheirName(Map(), "rpn.conv.bias"), "rpn.conv.0.bias");
  EXPECT_EQ(TheirName(Map(), "head.temperature"), "temperature");
  EXPECT_EQ(TheirName(Map(), "head.fc6.weight"), std::nullopt);
}

TEST(NameMapTest, RenamesInOrderAndListsTheRest) {
  const StateDict source = State({"fc.bias", "features.0.bias", "other", "rpn.conv.weight"});
  const auto mapped = ApplyNameMap(Map(), source);
  ASSERT_THAT(mapped, IsOk());
  EXPECT_THAT(Names(mapped->state), ElementsAre("backbone.conv1_1.bias", "rpn.conv.weight"));
  EXPECT_TRUE(mapped->state.Find("rpn.conv.weight")->is_same(*source.Find("rpn.conv.weight")));
  EXPECT_THAT(mapped->left_out, ElementsAre("fc.bias"));
  EXPECT_THAT(mapped->unknown, ElementsAre("other"));
}

TEST(NameMapTest, DuplicateNamesAreAnError) {
  const auto mapped = ApplyNameMap(Map(), State({"rpn.conv.0.weight", "rpn.conv.weight"}));
  EXPECT_THAT(mapped, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'rpn.conv.weight'")));
}

TEST(NameMapTest, RecordsMapAndImageButKeepsWhatIsKnown) {
  NameMap map = Map();
  map.image = ImageNormalization{};
  StateDict source = State({"temperature"});
  const auto fresh = ApplyNameMap(map, source);
  ASSERT_THAT(fresh, IsOk());
  EXPECT_EQ(fresh->state.metadata().at("name_map"), "theirs");
  EXPECT_EQ(fresh->state.metadata().at("image_channel_order"), "rgb");
  SetImageNormalization({.channel_order = ChannelOrder::kBgr}, source.metadata());
  source.metadata()["name_map"] = "earlier";
  const auto kept = ApplyNameMap(map, source);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->state.metadata(), source.metadata());
}

}  // namespace
}  // namespace rcnn::detection::weights
