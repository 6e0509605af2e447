// Tests of RunDetect: each is in an empty folder with the folder "in", and all of one program use
// one tiny detector.

#ifndef RCNN_TOOLS_DETECT_RUN_FIXTURE_H_
#define RCNN_TOOLS_DETECT_RUN_FIXTURE_H_

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/tools/detect_run.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {

class DetectRunFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = absl::StrCat(::testing::TempDir(), "/detect_run_model_", getpid());
    testing::WriteTinyDetector(model_);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(model_); }

  void SetUp() override {
    before_ = std::filesystem::current_path();
    folder_ = absl::StrCat(::testing::TempDir(), "/detect_run_", getpid());
    std::filesystem::create_directories(folder_ + "/in");
    std::filesystem::current_path(folder_);
  }
  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }

  // Coarse noise, in which the detector detects objects.
  static data::Image RandomImage(int64_t width, int64_t height, uint64_t seed = 1) {
    std::mt19937_64 random(seed);
    std::vector<uint8_t> coarse(6 * 8 * data::Image::kChannels);
    for (uint8_t& value : coarse) value = static_cast<uint8_t>(random());
    data::Image image(height, width);
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const int64_t cell = y * 6 / height * 8 + x * 8 / width;
        std::copy_n(&coarse[3 * cell], 3, image.row(y) + 3 * x);
      }
    }
    return image;
  }

  // Writes an image, and first its folder.
  static void Write(const std::string& path, const data::Image& image) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const absl::StatusOr<std::string> bytes = data::EncodeFor(path, image);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(WriteFileAtomically(path, *bytes), IsOk());
  }

  // Writes a file that is not an image, whatever its name.
  static void WriteText(const std::string& path) { std::ofstream(path) << "no image"; }

  // Writes truth.json: a COCO file with these images, without annotations, and the classes of the
  // detector in another order: "platelet" has the id 10, "red" 20, "white" 30.
  static void WriteTruth(const nlohmann::json& images) {
    const nlohmann::json truth = {{"images", images},
                                  {"categories",
                                   {{{"id", 10}, {"name", "platelet"}},
                                    {{"id", 20}, {"name", "red"}},
                                    {{"id", 30}, {"name", "white"}}}},
                                  {"annotations", nlohmann::json::array()}};
    ASSERT_THAT(WriteFileAtomically("truth.json", truth.dump()), IsOk());
  }

  // Those of a run into "out".
  static DetectOptions Options(const std::vector<std::string>& inputs) {
    DetectOptions options;
    options.model = model_;
    options.inputs = inputs;
    options.output = "out";
    options.score_threshold = 0.1;
    return options;
  }

  static nlohmann::json ReadJson(const std::string& path) {
    return nlohmann::json::parse(ReadFile(path).value());
  }

  // The files in out/drawn, each of which is an image.
  static std::vector<std::string> Drawn() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator("out/drawn")) {
      if (entry.is_regular_file()) {
        files.push_back(std::filesystem::relative(entry.path(), "out/drawn").string());
        EXPECT_THAT(data::ReadImage(entry.path().string()), IsOk());
      }
    }
    return files;
  }

  static inline std::string model_;
  std::filesystem::path before_;  // the current folder outside of the test
  std::string folder_;
};

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_RUN_FIXTURE_H_
