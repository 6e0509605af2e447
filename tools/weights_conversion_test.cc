#include "rcnn/tools/weights_conversion.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/flip.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/base/testing_command.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::tools {
namespace {

using detection::weights::ChannelOrder;
using detection::weights::LoadStateDict;
using detection::weights::NameDirection;
using detection::weights::SaveStateDict;
using detection::weights::StateDict;
using ::testing::HasSubstr;

constexpr char kPython[] = "/usr/bin/python3 ";
constexpr char kScript[] = "tools/peers/torchvision_weights.py ";

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

// Two layers and the classifier of a torchvision VGG16.
std::string WriteVgg16() {
  StateDict state;
  state.Add("features.0.weight", at::arange(2 * 3, at::kFloat).view({2, 3, 1, 1}));
  state.Add("features.28.weight", at::arange(4, at::kFloat).view({4, 1, 1, 1}));
  state.Add("classifier.6.bias", at::arange(3, at::kFloat));
  state.Add("avgpool.extra", at::arange(3, at::kFloat));
  const std::string path = TempPath("vgg16.pth");
  EXPECT_THAT(SaveStateDict(state, path), IsOk());
  return path;
}

TEST(WeightsConversionTest, RenamesAndAccountsForEveryTensor) {
  const std::string output = TempPath("vgg16.safetensors");
  const auto table = ConvertWeights({.input = WriteVgg16(), .output = output});
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(*table, HasSubstr("names by torchvision_vgg16"));
  EXPECT_THAT(*table, HasSubstr("skipped: classifier.6.bias [3] (left out by the map)"));
  EXPECT_THAT(*table, HasSubstr("skipped: avgpool.extra [3] (unknown to the map)"));
  const auto state = LoadStateDict(output);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->size(), 2u);
  EXPECT_NE(state->Find("backbone.conv5_3.weight"), nullptr);
  EXPECT_EQ(state->metadata().at("image_channel_order"), "rgb");
}

TEST(WeightsConversionTest, DamagedWeightsOfARunAreNotConverted) {
  const std::string stage = TempPath("run/stages/1_rpn1");
  ASSERT_THAT(CreateDirectories(stage), IsOk());
  const std::string bytes = ReadFile(WriteVgg16()).value();
  StageRecord record;
  record.files["vgg16.pth"] = Digest(bytes);
  ASSERT_THAT(WriteFileAtomically(stage + "/DONE", StageRecordText(record)), IsOk());
  const std::string output = TempPath("of_run.safetensors");
  ASSERT_THAT(WriteFileAtomically(stage + "/vgg16.pth", bytes), IsOk());
  EXPECT_THAT(ConvertWeights({.input = stage + "/vgg16.pth", .output = output}), IsOk());
  record.files["vgg16.pth"] = Digest(bytes + "x");
  ASSERT_THAT(WriteFileAtomically(stage + "/DONE", StageRecordText(record)), IsOk());
  EXPECT_THAT(ConvertWeights({.input = stage + "/vgg16.pth", .output = output}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("vgg16.pth is damaged")));
}

TEST(WeightsConversionTest, ReversesByTheRecordedMap) {
  const std::string ours = TempPath("vgg16.safetensors");
  ASSERT_THAT(ConvertWeights({.input = WriteVgg16(), .output = ours}), IsOk());
  const std::string theirs = TempPath("back.pth");
  const auto table =
      ConvertWeights({.input = ours, .output = theirs, .direction = NameDirection::kToTheirs});
  ASSERT_THAT(table, IsOk());
  const auto state = LoadStateDict(theirs);
  ASSERT_THAT(state, IsOk());
  EXPECT_NE(state->Find("features.28.weight"), nullptr);
}

TEST(WeightsConversionTest, ReordersTheFirstConvolution) {
  const std::string output = TempPath("bgr.safetensors");
  ASSERT_THAT(ConvertWeights(
                  {.input = WriteVgg16(), .output = output, .channel_order = ChannelOrder::kBgr}),
              IsOk());
  const auto state = LoadStateDict(output);
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->metadata().at("image_channel_order"), "bgr");
  EXPECT_EQ(state->metadata().at("image_mean"), "0.406 0.456 0.485");
  EXPECT_TRUE(at::equal(*state->Find("backbone.conv1_1.weight"),
                        at::flip(at::arange(6, at::kFloat).view({2, 3, 1, 1}), {1})));
}

TEST(WeightsConversionTest, ReversesToTheirChannelOrder) {
  const std::string input = WriteVgg16(), bgr = TempPath("bgr.safetensors");
  ASSERT_THAT(ConvertWeights({.input = input, .output = bgr, .channel_order = ChannelOrder::kBgr}),
              IsOk());
  const std::string back = TempPath("rgb_again.pth");
  const auto table =
      ConvertWeights({.input = bgr, .output = back, .direction = NameDirection::kToTheirs});
  ASSERT_THAT(table, IsOk());
  const auto before = LoadStateDict(input), after = LoadStateDict(back);
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(after, IsOk());
  for (const char* name : {"features.0.weight", "features.28.weight"}) {
    EXPECT_TRUE(at::equal(*before->Find(name), *after->Find(name))) << name;
  }
  EXPECT_EQ(after->metadata().at("image_channel_order"), "rgb");
  EXPECT_EQ(after->metadata().at("image_mean"), "0.485 0.456 0.406");
}

TEST(WeightsConversionTest, ErrorsWriteNothing) {
  const std::string input = WriteVgg16();
  const std::string output = TempPath("never.safetensors");
  const WeightsConversion cases[] = {
      {.input = input, .output = output, .map = "no_such_map"},
      {.input = input, .output = output, .map = "rcnn"},
      {.input = input, .output = output, .direction = NameDirection::kToTheirs},
      {.input = "/nonexistent", .output = output},
      {.input = input, .output = TempPath("never.xyz")}};
  for (const WeightsConversion& conversion : cases) {
    EXPECT_THAT(ConvertWeights(conversion), ::testing::Not(IsOk()));
    EXPECT_FALSE(std::ifstream(conversion.output).good());
  }
}

TEST(WeightsConversionTest, ListsTensorsAndMaps) {
  const auto list = ListWeights(WriteVgg16());
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(*list, HasSubstr("features.0.weight   Float     [2, 3, 1, 1]"));
  for (const auto& map : detection::weights::KnownNameMaps()) {
    EXPECT_THAT(ListNameMaps(), HasSubstr(map.name + ": " + map.description));
  }
}

// The name of a tensor cannot move the cursor, or look like another line.
TEST(WeightsConversionTest, NamesAreEscaped) {
  StateDict state;
  state.Add("features.0.weight", at::arange(2 * 3, at::kFloat).view({2, 3, 1, 1}));
  state.Add("a\033[2J\nwrote b", at::arange(3, at::kFloat));
  const std::string input = TempPath("odd_names.safetensors");
  state.Add("features.28.weight", at::arange(4, at::kFloat).view({4, 1, 1, 1}));
  state.Add("classifier.6.bias", at::arange(3, at::kFloat));
  ASSERT_THAT(SaveStateDict(state, input), IsOk());
  const auto list = ListWeights(input);
  const auto table =
      ConvertWeights({.input = input, .output = TempPath("odd.pth"), .every_tensor = true});
  for (const auto& text : {list, table}) {
    ASSERT_THAT(text, IsOk());
    EXPECT_THAT(*text, HasSubstr("a\\x1b[2J\\nwrote b"));
    EXPECT_THAT(*text, ::testing::Not(HasSubstr("\033")));
  }
}

// Compares a file with the plain list that Python wrote beside it.
void ExpectEqualsPlain(const std::string& path, const std::string& plain) {
  const auto state = LoadStateDict(path);
  ASSERT_THAT(state, IsOk());
  const auto data = ReadFile(plain + ".bin");
  ASSERT_THAT(data, IsOk());
  std::ifstream index(plain + ".txt");
  size_t count = 0;
  std::string name, type, sizes;
  size_t offset = 0;
  while (index >> name >> type >> sizes >> offset) {
    const at::Tensor* const tensor = state->Find(name);
    ASSERT_NE(tensor, nullptr) << path << " " << name;
    EXPECT_EQ(state->entries()[count++].name, name);
    EXPECT_EQ(tensor->scalar_type(), type == "int64" ? at::kLong : at::kFloat) << name;
    EXPECT_EQ(absl::StrCat("[", absl::StrJoin(tensor->sizes(), ","), "]"), sizes) << name;
    ASSERT_LE(offset + tensor->nbytes(), data->size());
    const at::Tensor plain_tensor = tensor->contiguous();
    EXPECT_EQ(std::memcmp(plain_tensor.data_ptr(), data->data() + offset, tensor->nbytes()), 0)
        << path << " " << name;
  }
  EXPECT_EQ(count, state->size());
  EXPECT_GT(count, 0u);
}

// Files that torchvision's models wrote, read, converted there and back, and read
// by Python again. One Python process each way: importing it takes seconds.
TEST(TorchvisionWeightsTest, RoundTripKeepsEveryTensor) {
  const std::string find = "-c 'import importlib.metadata as m; m.version(\"torchvision\")'";
  if (RunCommand(absl::StrCat(kPython, find)).exit_code != 0) {
    GTEST_SKIP() << "torchvision is not installed (Debian: python3-torchvision)";
  }
  const std::string models =
      "vgg16 resnet18 fasterrcnn_resnet50_fpn fasterrcnn_resnet50_fpn_v2 fasterrcnn_vgg16";
  const std::string folder = ::testing::TempDir();
  const CommandResult written =
      RunCommand(absl::StrCat(kPython, kScript, "write ", folder, " ", models));
  ASSERT_EQ(written.exit_code, 0) << written.output;
  std::string pairs;
  for (const std::string& model : std::vector<std::string>(absl::StrSplit(models, ' '))) {
    ExpectEqualsPlain(TempPath(model + ".pth"), TempPath(model));
    ExpectEqualsPlain(TempPath(model + "_legacy.pth"), TempPath(model));
    const std::string ours = TempPath(model + "_rcnn.safetensors");
    const std::string back = TempPath(model + "_back.pth");
    ASSERT_THAT(ConvertWeights({.input = TempPath(model + ".pth"), .output = ours}), IsOk());
    ASSERT_THAT(
        ConvertWeights({.input = ours, .output = back, .direction = NameDirection::kToTheirs}),
        IsOk());
    const bool is_detector = absl::StartsWith(model, "fasterrcnn");
    if (is_detector) absl::StrAppend(&pairs, " ", TempPath(model + ".pth"), " ", back);
    const auto copied = LoadStateDict(TempPath(model + "_legacy.pth"));
    ASSERT_THAT(copied, IsOk());
    ASSERT_THAT(SaveStateDict(*copied, TempPath(model + "_copy.pth")), IsOk());
    absl::StrAppend(&pairs, " ", TempPath(model + ".pth"), " ", TempPath(model + "_copy.pth"));
  }
  const CommandResult compared = RunCommand(absl::StrCat(kPython, kScript, "compare", pairs));
  EXPECT_EQ(compared.exit_code, 0) << compared.output;
  EXPECT_THAT(compared.output, HasSubstr("fasterrcnn_resnet50_fpn_v2_back.pth: 404 tensors"));
  EXPECT_THAT(compared.output, HasSubstr("fasterrcnn_vgg16_back.pth: 40 tensors"));
}

}  // namespace
}  // namespace rcnn::tools
