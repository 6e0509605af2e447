#include "rcnn/detection/weights/pickle_stack.h"

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::HasSubstr;

class PickleStackTest : public ::testing::Test {
 protected:
  PickleBytes bytes_{"", 100};
  PickleMemory memory_{0};
  std::deque<PickleNode> nodes_;
  PickleStack stack_{bytes_, memory_, nodes_};
};

TEST_F(PickleStackTest, ItemsComeInTheOrderInWhichTheyWerePushed) {
  for (const int64_t value : {7, 300, -1}) stack_.PushInteger(value);
  const auto items = stack_.PopItems(2);
  ASSERT_THAT(items, IsOk());
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[0]->integer, 300);
  EXPECT_EQ((*items)[1]->integer, -1);
  ASSERT_THAT(stack_.Top(), IsOk());
  EXPECT_EQ(stack_.Top().value()->integer, 7);
  EXPECT_EQ(stack_.size(), 1u);
}

TEST_F(PickleStackTest, NothingIsPoppedBelowAMark) {
  stack_.PushNone();
  stack_.Mark();
  EXPECT_THAT(stack_.Pop(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pops from an empty stack")));
  EXPECT_THAT(stack_.Top(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(stack_.PopItems(1), StatusIs(absl::StatusCode::kInvalidArgument));
  stack_.PushBool(true);
  const auto items = stack_.PopToMark();
  ASSERT_THAT(items, IsOk());
  EXPECT_EQ(items->size(), 1u);
  EXPECT_EQ(stack_.num_marks(), 0u);
  EXPECT_THAT(stack_.PopToMark(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the stack has no mark")));
  EXPECT_THAT(stack_.Pop(), IsOk());
}

TEST_F(PickleStackTest, FrequentValuesHaveOneNode) {
  for (int i = 0; i < 2; ++i) {
    stack_.PushNone();
    stack_.PushBool(false);
    stack_.PushInteger(255);
    stack_.PushTuple({});
  }
  EXPECT_EQ(stack_.size(), 8u);
  EXPECT_EQ(nodes_.size(), 4u);
  for (int i = 0; i < 2; ++i) stack_.PushInteger(256);
  EXPECT_EQ(nodes_.size(), 6u);
}

}  // namespace
}  // namespace rcnn::detection::weights
