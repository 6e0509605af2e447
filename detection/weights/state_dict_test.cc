#include "rcnn/detection/weights/state_dict.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::detection::weights {
namespace {

TEST(StateDictTest, KeepsTheOrderAndFindsByName) {
  StateDict state;
  EXPECT_TRUE(state.Add("b", at::zeros({2})));
  EXPECT_TRUE(state.Add("a", at::zeros({3})));
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state.entries()[0].name, "b");
  EXPECT_EQ(state.entries()[1].name, "a");
  ASSERT_NE(state.Find("a"), nullptr);
  EXPECT_EQ(state.Find("a")->size(0), 3);
  EXPECT_EQ(state.Find("c"), nullptr);
}

TEST(StateDictTest, RejectsADuplicateNameAndKeepsTheFirst) {
  StateDict state;
  EXPECT_TRUE(state.Add("a", at::zeros({2})));
  EXPECT_FALSE(state.Add("a", at::zeros({3})));
  EXPECT_EQ(state.size(), 1u);
  EXPECT_EQ(state.Find("a")->size(0), 2);
}

TEST(StateDictTest, ReleasedTensorsKeepTheirNumbers) {
  const TemporaryDirectory directory("rcnn_state_dict");
  const std::string path = directory.path() + "/w.safetensors";
  StateDict written;
  written.Add("a", at::arange(100'000, at::kFloat));
  ASSERT_THAT(SaveStateDict(written, path), IsOk());
  const auto read = LoadStateDict(path);
  ASSERT_THAT(read, IsOk());
  const at::Tensor& a = *read->Find("a");
  EXPECT_TRUE(a.equal(*written.Find("a")));
  read->ReleasePages(a);
  read->ReleasePages(a.narrow(0, 50'000, 10'000));
  read->ReleasePages(a.slice(0, 0, 100'000, 2));
  EXPECT_TRUE(a.equal(*written.Find("a")));
  // Not of the file.
  written.ReleasePages(*written.Find("a"));
  read->ReleasePages(*written.Find("a"));
  EXPECT_TRUE(a.equal(*written.Find("a")));
}

TEST(StateDictTest, ReadsEachNumberOfATensorOnceInOrder) {
  constexpr int64_t kPart = StateDict::kPartNumbers;
  const StateDict state;
  const at::Tensor numbers = at::arange(2 * kPart + 10, at::kInt);
  std::vector<int64_t> sizes;
  state.ReadInParts(numbers.view({2, kPart + 5}), [&](const at::Tensor& part) {
    EXPECT_TRUE(
        part.equal(numbers.narrow(0, static_cast<int64_t>(sizes.size()) * kPart, part.numel())));
    sizes.push_back(part.numel());
  });
  EXPECT_THAT(sizes, testing::ElementsAre(kPart, kPart, 10));
  int calls = 0;
  state.ReadInParts(at::zeros({0, 3}), [&](const at::Tensor&) { ++calls; });
  EXPECT_EQ(calls, 0);
  state.ReadInParts(at::arange(6).view({2, 3}).t(), [&](const at::Tensor& whole) {
    ++calls;
    EXPECT_EQ(whole.sizes().vec(), (std::vector<int64_t>{3, 2}));
  });
  EXPECT_EQ(calls, 1);
}

TEST(StateDictTest, AReleaserOutlivesTheState) {
  EXPECT_TRUE(StateDict().PageReleaser() == nullptr);
  const TemporaryDirectory directory("rcnn_state_dict");
  const std::string path = directory.path() + "/w.safetensors";
  const at::Tensor numbers = at::arange(100'000, at::kFloat);
  StateDict written;
  written.Add("a", numbers);
  ASSERT_THAT(SaveStateDict(written, path), IsOk());
  auto read = LoadStateDict(path);
  ASSERT_THAT(read, IsOk());
  const auto release = read->PageReleaser();
  const at::Tensor a = *read->Find("a");
  *read = StateDict();
  EXPECT_TRUE(a.equal(numbers));
  release(a.data_ptr(), a.nbytes());
  EXPECT_TRUE(a.equal(numbers));
}

TEST(StateDictTest, CountsBytesOfEveryType) {
  StateDict state;
  EXPECT_EQ(TotalBytes(state), 0);
  state.Add("half", at::zeros({2, 3}, at::kHalf));
  state.Add("long", at::zeros({}, at::kLong));
  EXPECT_EQ(TotalBytes(state), 12 + 8);
}

TEST(StateDictTest, DescribesTensorsAndMetadata) {
  StateDict state;
  state.Add("conv1.weight", at::zeros({4, 3, 1, 1}));
  state.Add("n", at::zeros({}, at::kLong));
  state.metadata()["name_map"] = "rcnn";
  EXPECT_EQ(DescribeStateDict(state),
            "conv1.weight  Float     [4, 3, 1, 1]\n"
            "n             Long      []\n"
            "2 tensors, 0.0 MB\n"
            "name_map = rcnn\n");
}

}  // namespace
}  // namespace rcnn::detection::weights
