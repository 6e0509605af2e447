// What RunDetect writes into, replaces and refuses to touch.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/tools/detect_run.h"
#include "rcnn/tools/detect_run_fixture.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class DetectRunOutputTest : public DetectRunFixture {};

TEST_F(DetectRunOutputTest, DoesNotOverwriteOtherFiles) {
  Write("in/a.png", RandomImage(60, 60));
  Write("out/drawn/a.jpg", RandomImage(60, 60));
  const std::string input = ReadFile("out/drawn/a.jpg").value();
  EXPECT_THAT(RunDetect(Options({"out/drawn/a.jpg"})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("out/drawn/a.jpg"), HasSubstr("choose another --output"))));
  EXPECT_EQ(ReadFile("out/drawn/a.jpg").value(), input);
  fs::create_directories("run");
  WriteText("run/detections.json");
  DetectOptions options = Options({"in"});
  options.output = "run";
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another program wrote")));
  EXPECT_EQ(ReadFile("run/detections.json").value(), "no image");
  options.output = "in/a.png";
  EXPECT_THAT(RunDetect(options), StatusIs(absl::StatusCode::kNotFound, HasSubstr("in/a.png")));
}

TEST_F(DetectRunOutputTest, SecondRunIntoAFolderIsRefused) {
  Write("in/a.png", RandomImage(60, 60));
  ASSERT_THAT(RunDetect(Options({"in"})), IsOkAndHolds(0));
  const std::string before = ReadFile("out/images.json").value();
  Write("in/b.png", RandomImage(60, 60));
  EXPECT_THAT(RunDetect(Options({"in"})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("--output=out"), HasSubstr("--overwrite"))));
  EXPECT_EQ(ReadFile("out/images.json").value(), before);
}

TEST_F(DetectRunOutputTest, OverwriteReplacesTheFirstResultsAndNothingElse) {
  Write("in/a.png", RandomImage(60, 60));
  Write("in/b.png", RandomImage(60, 60));
  ASSERT_THAT(RunDetect(Options({"."})), IsOkAndHolds(0));
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "b.jpg"));
  Write("out/drawn/own.jpg", RandomImage(60, 60));
  WriteText("out/notes.txt");
  fs::remove("in/b.png");
  DetectOptions options = Options({"."});
  options.overwrite = true;
  // It does not read its own drawings.
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  EXPECT_EQ(ReadJson("out/images.json")["images"].size(), 1u);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "own.jpg"));
  EXPECT_TRUE(fs::exists("out/notes.txt"));
  options.draw = false;
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  EXPECT_THAT(Drawn(), ElementsAre("own.jpg"));
}

TEST_F(DetectRunOutputTest, OverwriteKeepsInputImages) {
  Write("in/a.png", RandomImage(60, 60));
  ASSERT_THAT(RunDetect(Options({"in"})), IsOkAndHolds(0));
  DetectOptions options = Options({"out/drawn/a.jpg", "in/a.png"});
  options.overwrite = true;
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("out/drawn/a.jpg is one of the input images")));
  EXPECT_THAT(Drawn(), ElementsAre("a.jpg"));
}

TEST_F(DetectRunOutputTest, FormsOfTheOutputFolder) {
  Write("in/a.png", RandomImage(60, 60));
  for (const char* output : {".", "out/", "./out2", "deep/er/../out"}) {
    DetectOptions options = Options({"in"});
    options.output = output;
    ASSERT_THAT(RunDetect(options), IsOkAndHolds(0)) << output;
    options.overwrite = true;
    ASSERT_THAT(RunDetect(options), IsOkAndHolds(0)) << output;
    EXPECT_TRUE(fs::exists(fs::path(output) / "drawn/a.jpg")) << output;
  }
}

}  // namespace
}  // namespace rcnn::tools
