// Programs that use the results of a finished run, as a user runs them: a flipped bit is noticed.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/base/testing_command.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kTruth[] =
    R"({"images": [{"id": 9, "file_name": "a.png", "width": 90, "height": 60}],
        "categories": [{"id": 4, "name": "red"}, {"id": 5, "name": "white"},
                       {"id": 6, "name": "platelet"}],
        "annotations": [{"id": 1, "image_id": 9, "category_id": 4, "bbox": [9, 9, 30, 30],
                         "area": 900, "iscrowd": 0}]})";

class DamagedResultsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(CreateDirectories(stage_), IsOk()); }

  // Records the checksums of these files of the stage, which is finished then.
  void Finish(const std::vector<std::string>& files) {
    StageRecord record;
    record.key = std::string(32, '0');
    for (const std::string& file : files) {
      const auto bytes = ReadFile(absl::StrCat(stage_, "/", file));
      ASSERT_THAT(bytes, IsOk());
      record.files[file] = Digest(*bytes);
    }
    ASSERT_THAT(WriteFileAtomically(stage_ + "/DONE", StageRecordText(record)), IsOk());
  }

  // Runs the command with the file of the finished stage intact, and with another last bit in it.
  void ExpectNoticed(const std::string& command, const std::string& file) {
    const CommandResult intact = RunCommand(command);
    EXPECT_EQ(intact.exit_code, 0) << intact.output;
    const std::string path = absl::StrCat(stage_, "/", file);
    std::string bytes = ReadFile(path).value();
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
    const CommandResult damaged = RunCommand(command);
    EXPECT_EQ(damaged.exit_code, 1) << damaged.output;
    EXPECT_THAT(damaged.output, AllOf(HasSubstr(path + " is damaged or was edited"),
                                      HasSubstr("restores it when it is run again")));
  }

  void ExpectTimeDetectorNotices(const std::string& file) {
    testing::WriteTinyDetector(stage_);
    Finish({"detector.textproto", "model.safetensors"});
    ExpectNoticed(absl::StrCat("tools/time_detector --config=", stage_,
                               "/detector.textproto --weights=", stage_,
                               "/model.safetensors --size=60x90 --repeats=1"),
                  file);
  }

  const TemporaryDirectory run_{"damaged_results_test"};
  const std::string stage_ = run_.path() + "/stages/1_final";
};

TEST_F(DamagedResultsTest, DetectDatasetUsesNoDamagedModel) {
  testing::WriteTinyDetector(stage_);
  Finish({"detector.textproto", "model.safetensors"});
  data::Image image(60, 90);
  std::fill_n(image.data(), image.size_bytes(), uint8_t{128});
  ASSERT_THAT(WriteFileAtomically(run_.path() + "/a.png", data::EncodePng(image).value()), IsOk());
  const std::string truth = run_.path() + "/truth.json";
  ASSERT_THAT(WriteFileAtomically(truth, kTruth), IsOk());
  ExpectNoticed(absl::StrCat("tools/detect_dataset --model=", stage_, " --dataset=", truth,
                             " --images=", run_.path(), " --out=", run_.path(), "/found.json"),
                "model.safetensors");
}

TEST_F(DamagedResultsTest, DetectDatasetReplacesNoInput) {
  testing::WriteTinyDetector(stage_);
  const std::string truth = run_.path() + "/truth.json";
  ASSERT_THAT(WriteFileAtomically(truth, kTruth), IsOk());
  const std::string weights = stage_ + "/model.safetensors";
  const std::string before = ReadFile(weights).value();
  for (const auto& [out, flag] : {std::pair(truth, "--dataset"), std::pair(weights, "--model"),
                                  std::pair(stage_ + "/detector.textproto", "--model")}) {
    const CommandResult result =
        RunCommand(absl::StrCat("tools/detect_dataset --model=", stage_, " --dataset=", truth,
                                " --images=", run_.path(), " --out=", out));
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.output, HasSubstr(absl::StrCat(out, " is also the file of ", flag)));
  }
  EXPECT_EQ(ReadFile(truth).value(), kTruth);
  EXPECT_EQ(ReadFile(weights).value(), before);
}

TEST_F(DamagedResultsTest, ConvertWeightsListsNoDamagedWeights) {
  testing::WriteTinyDetector(stage_);
  Finish({"model.safetensors"});
  ExpectNoticed(absl::StrCat("tools/convert_weights --input=", stage_, "/model.safetensors --list"),
                "model.safetensors");
}

TEST_F(DamagedResultsTest, TimeDetectorUsesNoDamagedWeights) {
  ExpectTimeDetectorNotices("model.safetensors");
}

TEST_F(DamagedResultsTest, TimeDetectorUsesNoDamagedConfig) {
  ExpectTimeDetectorNotices("detector.textproto");
}

TEST_F(DamagedResultsTest, EvaluateProposalsUsesNoDamagedProposals) {
  const std::string dataset_flag = "shapes:num_images=1";
  const std::string path = stage_ + "/proposals.safetensors";
  const auto dataset = data::OpenDatasetFlag(dataset_flag, {});
  ASSERT_THAT(dataset, IsOk());
  auto writer = data::ProposalWriter::Create(path, **dataset, "by hand");
  ASSERT_THAT(writer, IsOk());
  const std::vector<data::Box> boxes = {{1, 1, 9, 9}};
  const std::vector<float> scores = {0.5f};
  ASSERT_THAT(writer->Append(boxes, scores), IsOk());
  ASSERT_THAT(writer->Commit(), IsOk());
  Finish({"proposals.safetensors"});
  ExpectNoticed(
      absl::StrCat("eval/evaluate_proposals --dataset=", dataset_flag, " --proposals=final=", path),
      "proposals.safetensors");
}

}  // namespace
}  // namespace rcnn::tools
