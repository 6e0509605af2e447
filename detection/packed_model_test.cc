#include "rcnn/detection/packed_model.h"

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/testing/same_detections.h"
#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kClasses = 3;

const char kTiny[] = R"(
  backbone { tiny {} }
  rpn { anchors { size_px: [16, 32] } channels: 32 test_proposals { after_nms: 50 } }
  head { fc { fc_channels: [32, 32] } detections { min_score: 0.05 max_per_image: 12 } }
)";

// Convolutions of every kind, folded norms, and norms that are applied separately.
const char* const kNetworks[] = {kTiny,
                                 R"(backbone { resnet { depth: RESNET_18 } }
       fpn { channels: 32 norm { group_norm { groups: 4 } } }
       rpn { anchors { size_px: 32 size_px: 64 size_px: 128 size_px: 256 size_px: 512 } }
       head { fc { fc_channels: 32 } })",
                                 R"(backbone { resnet { depth: RESNET_50 layer3_stride: 1 } }
       rpn { anchors { size_px: 32 } channels: 32 test_proposals { after_nms: 4 } }
       head { layer4 { stride: 1 } })"};

configs::ModelConfig Config(const char* text) {
  return configs::ParseTextOrDie<configs::ModelConfig>(text);
}

std::shared_ptr<FasterRcnn> Model(const char* text, uint64_t seed) {
  const auto model = FasterRcnn::Create(Config(text), kClasses);
  EXPECT_THAT(model, IsOk());
  ResetParameters(**model, at::detail::createCPUGenerator(seed));
  (*model)->eval();
  return *model;
}

std::shared_ptr<FasterRcnn> UnfilledModel(const char* text) {
  const UnfilledWeights unfilled;
  const auto model = FasterRcnn::Create(Config(text), kClasses);
  EXPECT_THAT(model, IsOk());
  (*model)->eval();
  return *model;
}

std::string Path() {
  return absl::StrCat(::testing::TempDir(), "/",
                      ::testing::UnitTest::GetInstance()->current_test_info()->line(),
                      ".safetensors");
}

class PackedModelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, PackedModelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(PackedModelTest, GivesTheBitsOfTheModelThatWasPacked) {
  for (const char* const network : kNetworks) {
    SCOPED_TRACE(network);
    for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
      const auto model = Model(network, 1);
      PrepareForInference(*model, {precision});
      ASSERT_THAT(WritePackedModel(*model, {{"about", "this"}}, Path()), IsOk());
      EXPECT_LE(PackedModelBytes(*model), static_cast<int64_t>(ReadFile(Path())->size()));
      const auto file = PackedModelFile::Open(Path());
      ASSERT_THAT(file, IsOk());
      EXPECT_EQ(file->metadata().at("about"), "this");
      const auto same = UnfilledModel(network);
      ASSERT_THAT(file->Fill(precision, *same), IsOk());
      const Detections expected = DetectInNoise(*model);
      EXPECT_GT(expected.boxes.size(0), 0);
      ExpectSameBits(DetectInNoise(*same), expected);
    }
  }
}

// Writes the file of a tiny model and returns its bytes.
std::string WriteTiny(const std::string& path) {
  const auto model = Model(kTiny, 1);
  PrepareForInference(*model);
  EXPECT_THAT(WritePackedModel(*model, {}, path), IsOk());
  return ReadFile(path).value();
}

absl::Status FillTiny(const std::string& path, const char* network = kTiny) {
  const auto file = PackedModelFile::Open(path);
  if (!file.ok()) return file.status();
  return file->Fill(Precision::kFloat32, *UnfilledModel(network));
}

TEST(PackedModelFileTest, EveryChangedByteOfAnArrayIsDamage) {
  const std::string bytes = WriteTiny(Path());
  const size_t header =
      8 + static_cast<unsigned char>(bytes[0]) + 256 * static_cast<unsigned char>(bytes[1]);
  ASSERT_EQ(header % 64, 0u);
  EXPECT_THAT(FillTiny(Path()), IsOk());
  for (size_t at = header; at < bytes.size(); at += bytes.size() / 20) {
    std::string changed = bytes;
    changed[at] ^= 4;
    ASSERT_THAT(WriteFileAtomically(Path(), changed), IsOk());
    EXPECT_THAT(FillTiny(Path()), StatusIs(absl::StatusCode::kDataLoss)) << at;
  }
}

TEST(PackedModelFileTest, AChangedHeaderIsAnErrorOrChangesNothing) {
  const std::string bytes = WriteTiny(Path());
  const auto model = Model(kTiny, 1);
  PrepareForInference(*model);
  const Detections expected = DetectInNoise(*model);
  for (size_t at = 0; at < 2000 && bytes[at] != '\0'; at += 13) {
    std::string changed = bytes;
    changed[at] ^= 1;
    ASSERT_THAT(WriteFileAtomically(Path(), changed), IsOk());
    const auto file = PackedModelFile::Open(Path());
    const auto same = UnfilledModel(kTiny);
    if (!file.ok() || !file->Fill(Precision::kFloat32, *same).ok()) continue;
    ExpectSameBits(DetectInNoise(*same), expected);
  }
}

// The names of two arrays of one size, as they stand in the header; empty without such a pair.
std::pair<std::string, std::string> NamesOfOneSize(const std::string& path) {
  const auto file = SafetensorsFile::Open(path);
  EXPECT_THAT(file, IsOk());
  std::map<std::pair<size_t, size_t>, std::string> seen;
  for (const SafetensorsArray& array : file->view().arrays()) {
    const std::string& name = array.spec.name;
    if (name.back() == '!') continue;
    const auto [place, is_new] = seen.try_emplace({array.bytes.size(), name.size()}, name);
    if (!is_new) return {absl::StrCat("\"", place->second, "\""), absl::StrCat("\"", name, "\"")};
  }
  return {};
}

TEST(PackedModelFileTest, ExchangedNamesAreDamage) {
  std::string bytes = WriteTiny(Path());
  const auto [one, other] = NamesOfOneSize(Path());
  ASSERT_FALSE(one.empty());
  bytes = absl::StrReplaceAll(bytes, {{one, other}, {other, one}});
  ASSERT_THAT(WriteFileAtomically(Path(), bytes), IsOk());
  EXPECT_THAT(FillTiny(Path()), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("checksum")));
}

TEST(PackedModelFileTest, CutOffAndForeignFilesAreErrors) {
  const std::string bytes = WriteTiny(Path());
  for (const size_t size : {size_t{0}, size_t{7}, bytes.size() / 2, bytes.size() - 1}) {
    ASSERT_THAT(WriteFileAtomically(Path(), bytes.substr(0, size)), IsOk());
    EXPECT_THAT(FillTiny(Path()), Not(IsOk())) << size;
  }
  ASSERT_THAT(WriteFileAtomically(Path(), "not a packed model"), IsOk());
  EXPECT_THAT(FillTiny(Path()), Not(IsOk()));
}

TEST(PackedModelFileTest, AnotherNetworksFileIsDamage) {
  WriteTiny(Path());
  EXPECT_THAT(FillTiny(Path(), kNetworks[1]), StatusIs(absl::StatusCode::kDataLoss));
  const std::string narrower = absl::StrReplaceAll(kTiny, {{"[32, 32]", "[32, 16]"}});
  EXPECT_THAT(FillTiny(Path(), narrower.c_str()), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(PackedModelFileTest, TheMappingOutlivesItsFile) {
  WriteTiny(Path());
  const auto same = UnfilledModel(kTiny);
  {
    const auto file = PackedModelFile::Open(Path());
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(file->Fill(Precision::kFloat32, *same), IsOk());
  }
  const Detections before = DetectInNoise(*same);
  ASSERT_THAT(WriteFileAtomically(Path(), "replaced"), IsOk());
  ExpectSameBits(DetectInNoise(*same), before);
}

}  // namespace
}  // namespace rcnn::detection
