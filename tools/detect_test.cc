// //tools:detect as a user runs it.

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing_command.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DetectTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = absl::StrCat(::testing::TempDir(), "/detect_test_", getpid());
    testing::WriteTinyDetector(folder_ + "/model");
    for (const char* name : {"in/a.png", "in/sub/b.png", "c.png"}) {
      fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
      data::Image noise(60, 90);
      std::mt19937_64 random(fs::path(name).string().size());
      std::generate_n(noise.data(), noise.size_bytes(), random);
      std::ofstream(folder_ + "/" + name, std::ios::binary) << data::EncodePng(noise).value();
    }
    std::ofstream(folder_ + "/in/broken.jpg") << "no image";
    // As under `bazel run`: relative paths start at the user's directory.
    setenv("BUILD_WORKING_DIRECTORY", folder_.c_str(), 1);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static CommandResult Detect(const std::string& arguments) {
    return RunCommand(absl::StrCat("tools/detect ", arguments));
  }

  static std::string folder_;
};

std::string DetectTest::folder_;

TEST_F(DetectTest, CombinesAllFormsOfInputs) {
  const CommandResult result = Detect(
      "--model=model --input=in/sub,c.png --input 'i?/a*' --output=out1 --score_threshold=0.05");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output,
              AllOf(HasSubstr("in/sub/b.png"), HasSubstr("c.png"), HasSubstr("in/a.png"),
                    HasSubstr("3 images in"), HasSubstr(" images/s from files to results, "),
                    HasSubstr("out1/detections.json"), Not(HasSubstr("\033["))));
  for (const char* file :
       {"drawn/in/sub/b.jpg", "drawn/c.jpg", "drawn/in/a.jpg", "detections.csv", "images.json"}) {
    EXPECT_TRUE(fs::exists(absl::StrCat(folder_, "/out1/", file))) << file;
  }
}

TEST_F(DetectTest, BrokenImageExitsWithTwo) {
  const CommandResult result = Detect("--model=model/model.safetensors in c.png --output=out2");
  EXPECT_EQ(result.exit_code, 2) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("1 of 4 failed"), HasSubstr("in/broken.jpg: not a")));
  const CommandResult quiet = Detect("--model=model in --output=out2 --overwrite --quiet");
  EXPECT_EQ(quiet.exit_code, 2);
  EXPECT_THAT(quiet.output, StartsWith("\n1 of 3 failed:\n  in/broken.jpg"));
}

TEST_F(DetectTest, ErrorsAreOneParagraph) {
  for (const char* arguments :
       {"", "--model=model", "--model=absent in", "--model=model absent.jpg",
        "--model=model in --precision=int8", "--model=model in --score_threshold=2"}) {
    const CommandResult result = Detect(arguments);
    EXPECT_EQ(result.exit_code, 1) << arguments << "\n" << result.output;
    EXPECT_THAT(result.output, StartsWith("error: ")) << arguments;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
  EXPECT_EQ(Detect("--score_threshold=high in").exit_code, 2);
  EXPECT_EQ(Detect("--inputs=in").exit_code, 2);
}

// From images to metrics with programs alone.
TEST_F(DetectTest, EvaluateTakesTheResults) {
  std::ofstream(folder_ + "/truth.json")
      << R"({"images": [{"id": 9, "file_name": "a.png", "width": 90, "height": 60}],
             "categories": [{"id": 4, "name": "red"}, {"id": 5, "name": "white"},
                            {"id": 6, "name": "platelet"}],
             "annotations": [{"id": 1, "image_id": 9, "category_id": 4, "bbox": [9, 9, 30, 30],
                              "area": 900, "iscrowd": 0}]})";
  const CommandResult result = Detect("--model=model in/a.png --output=out3 --ids_of=truth.json");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("./bazelw run //eval:evaluate -- --dataset=truth.json "
                                       "--detections=out3/detections.json"));
  const CommandResult evaluated =
      RunCommand("eval/evaluate --dataset=truth.json --detections=out3/detections.json");
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.output;
  // With its own ids, against the file that defines them.
  EXPECT_EQ(Detect("--model=model in/a.png --output=out4").exit_code, 0);
  const CommandResult own =
      RunCommand("eval/evaluate --dataset=out4/images.json --detections=out4/detections.json");
  EXPECT_EQ(own.exit_code, 0) << own.output;
}

}  // namespace
}  // namespace rcnn::tools
