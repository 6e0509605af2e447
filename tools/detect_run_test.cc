#include "rcnn/tools/detect_run.h"

#include <ATen/ATen.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/deep_file.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/detections.h"
#include "rcnn/detection/detector.h"
#include "rcnn/tools/detect_model.h"
#include "rcnn/tools/detect_run_fixture.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using data::Image;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// Of two images of one size, over all channels.
double MeanDifference(const Image& a, const Image& b) {
  int64_t sum = 0;
  for (int64_t i = 0; i < a.size_bytes(); ++i) sum += std::abs(a.data()[i] - b.data()[i]);
  return static_cast<double>(sum) / static_cast<double>(a.size_bytes());
}

class DetectRunTest : public DetectRunFixture {
 protected:
  // The records of a results file by their image.
  static std::map<int, std::vector<std::string>> RecordsOfImages(const std::string& path) {
    std::map<int, std::vector<std::string>> records;
    for (const json& record : ReadJson(path)) {
      records[record["image_id"].get<int>()].push_back(record.dump());
    }
    return records;
  }
};

TEST_F(DetectRunTest, WritesTheDetections) {
  Write("in/a.png", RandomImage(150, 120));
  Write("in/b.png", RandomImage(96, 200, 2));
  ASSERT_THAT(RunDetect(Options({"in"})), IsOkAndHolds(0));
  const auto detector = detection::Detector::Load(model_).value();
  json expected = json::array();
  for (int i = 0; i < 2; ++i) {
    data::Image image = data::ReadImage(i == 0 ? "in/a.png" : "in/b.png").value();
    const detection::Detections found =
        detector->Detect(at::from_blob(image.data(), {image.height(), image.width(), 3}, at::kByte))
            .value();
    const auto boxes = found.boxes.accessor<float, 2>();
    for (int64_t k = 0; k < found.scores.size(0); ++k) {
      if (found.scores[k].item<double>() <= 0.1) continue;
      const float x = boxes[k][0], y = boxes[k][1];
      expected.push_back({{"image_id", i + 1},
                          {"category_id", found.labels[k].item<int64_t>()},
                          {"bbox", json::array({x, y, boxes[k][2] - x, boxes[k][3] - y})},
                          {"score", found.scores[k].item<double>()}});
    }
  }
  ASSERT_GT(expected.size(), 3u);
  const json found = ReadJson("out/detections.json");
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i]["image_id"], expected[i]["image_id"]) << i;
    EXPECT_EQ(found[i]["category_id"], expected[i]["category_id"]) << i;
    EXPECT_NEAR(found[i]["score"].get<double>(), expected[i]["score"].get<double>(), 1e-5) << i;
    const auto box = found[i]["bbox"].get<std::array<double, 4>>();
    const auto expected_box = expected[i]["bbox"].get<std::array<double, 4>>();
    for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(box[k], expected_box[k], 0.01) << i << ", " << k;
    const int width = found[i]["image_id"] == 1 ? 150 : 96;
    EXPECT_GE(box[0], 0);
    EXPECT_LE(box[0] + box[2], width + 1e-3);
  }
  const json images = ReadJson("out/images.json");
  EXPECT_EQ(images["images"][1],
            (json{{"id", 2}, {"file_name", "b.png"}, {"width", 96}, {"height", 200}}));
  EXPECT_EQ(images["categories"][2], (json{{"id", 3}, {"name", "platelet"}}));
  const std::vector<std::string> rows =
      absl::StrSplit(ReadFile("out/detections.csv").value(), '\n', absl::SkipEmpty());
  EXPECT_EQ(rows.size(), found.size() + 1);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "b.jpg"));
}

// Up to what JPEG loses.
TEST_F(DetectRunTest, DrawnIsTheImageWithBoxes) {
  Write("in/a.png", RandomImage(800, 600));
  DetectOptions options = Options({"in/a.png"});
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  ASSERT_GT(ReadJson("out/detections.json").size(), 0u);
  const Image drawn = *data::ReadImage("out/drawn/a.jpg");
  options.score_threshold = 0.99999;
  options.output = "none";
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  ASSERT_EQ(drawn.width(), 800);
  ASSERT_EQ(drawn.height(), 600);
  const Image empty = *data::ReadImage("none/drawn/a.jpg");
  EXPECT_LT(MeanDifference(empty, RandomImage(800, 600)), 6);
  EXPECT_GT(MeanDifference(drawn, empty), 0.5);
}

TEST_F(DetectRunTest, SkipsUnreadableImages) {
  Write("in/a.png", RandomImage(100, 80));
  Write("in/z.jpg", RandomImage(100, 80));
  WriteText("in/text.jpg");
  WriteText("in/empty.png");
  fs::resize_file("in/empty.png", 0);
  fs::copy("in/z.jpg", "in/cut_off.jpg");
  fs::resize_file("in/cut_off.jpg", fs::file_size("in/z.jpg") / 2);
  fs::create_symlink("gone", "in/dangling.jpg");
  ::testing::internal::CaptureStderr();
  const auto failed = RunDetect(Options({"in", "absent", "no*.png"}));
  const std::string errors = ::testing::internal::GetCapturedStderr();
  ASSERT_THAT(failed, IsOkAndHolds(6));
  EXPECT_THAT(errors, AllOf(HasSubstr("6 of 8 failed"), HasSubstr("in/text.jpg: not a JPEG"),
                            HasSubstr("in/empty.png: empty file"), HasSubstr("in/cut_off.jpg: "),
                            HasSubstr("in/dangling.jpg"), HasSubstr("absent: no such file"),
                            HasSubstr("no*.png: no file matches")));
  // Ids count every input image, so repairing one does not change the others.
  const json images = ReadJson("out/images.json")["images"];
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0]["id"], 1);
  EXPECT_EQ(images[1]["id"], 6);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "z.jpg"));
}

// Of more bytes than system calls take.
TEST_F(DetectRunTest, APathThatIsTooLongCostsItsImageAlone) {
  const Image image = RandomImage(100, 80);
  Write("in/a.png", image);
  Write("in/z.png", image);
  const std::string deep = absl::StrCat(DeepPath("in", 3900), "/", std::string(100, 'n'), ".png");
  WriteDeepFile(deep, data::EncodeFor("n.png", image).value());
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(RunDetect(Options({"in"})), IsOkAndHolds(1));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("1 of 3 failed"),
                    HasSubstr(absl::StrCat("d... (", deep.size(), " bytes): no file can have"))));
  const json images = ReadJson("out/images.json")["images"];
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0]["id"], 1);
  EXPECT_EQ(images[1]["id"], 3);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "z.jpg"));
}

TEST_F(DetectRunTest, ADrawingWhosePathIsTooLongCostsItsImageAlone) {
  const Image image = RandomImage(100, 80);
  Write("in/a.png", image);
  WriteDeepFile(DeepPath("in", 3700) + "/n.png", data::EncodeFor("n.png", image).value());
  DetectOptions options = Options({"in"});
  options.output = DeepPath("out", 500);
  ::testing::internal::CaptureStderr();
  EXPECT_THAT(RunDetect(options), IsOkAndHolds(1));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("1 of 2 failed"), HasSubstr("/n.png: the path of its drawing would"),
                    HasSubstr("--nodraw")));
  EXPECT_EQ(ReadJson(options.output + "/images.json")["images"].size(), 1u);
  EXPECT_TRUE(fs::exists(options.output + "/drawn/a.jpg"));
  options.draw = false;
  options.overwrite = true;
  EXPECT_THAT(RunDetect(options), IsOkAndHolds(0));
  EXPECT_EQ(ReadJson(options.output + "/images.json")["images"].size(), 2u);
}

// A name cannot control the terminal or look like another line.
TEST_F(DetectRunTest, NamesAreEscapedOnTheTerminal) {
  Write("in/a\033[2J\n.png", RandomImage(100, 80));
  WriteText("in/b\033]0;title\007\n3 of 3 failed.jpg");
  WriteText("in/c.\033[31m.heic");
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const auto failed = RunDetect(Options({"in"}));
  const std::string out = ::testing::internal::GetCapturedStdout();
  const std::string errors = ::testing::internal::GetCapturedStderr();
  ASSERT_THAT(failed, IsOkAndHolds(1));
  EXPECT_THAT(out, AllOf(HasSubstr("a\\x1b[2J\\n.png"), Not(HasSubstr("\033"))));
  EXPECT_THAT(errors, AllOf(HasSubstr("in/b\\x1b]0;title\\x07\\n3 of 3 failed.jpg: "),
                            Not(HasSubstr("\033")), Not(HasSubstr("\n3 of 3 failed"))));
  // Files contain the names unescaped.
  EXPECT_EQ(ReadJson("out/images.json")["images"][0]["file_name"], "a\033[2J\n.png");
}

TEST_F(DetectRunTest, EqualNamesDoNotCollide) {
  Write("x/1.png", RandomImage(100, 80));
  Write("y/1.png", RandomImage(120, 80));
  Write("y/1.jpg", RandomImage(140, 80));
  ASSERT_THAT(RunDetect(Options({"x", "y"})), IsOkAndHolds(0));
  EXPECT_THAT(Drawn(), UnorderedElementsAre("x/1.jpg", "y/1.jpg", "y/1.png.jpg"));
  const json images = ReadJson("out/images.json")["images"];
  EXPECT_THAT((std::vector<std::string>{images[0]["file_name"], images[1]["file_name"],
                                        images[2]["file_name"]}),
              ElementsAre("x/1.png", "y/1.jpg", "y/1.png"));
}

TEST_F(DetectRunTest, ReadsEveryKindOfPixelsAndTheSmallestImages) {
  Write("in/one_pixel.png", RandomImage(1, 1));
  Write("in/thin.png", RandomImage(700, 1));
  const fs::path images = before_ / "data/image/testdata";
  fs::copy(images / "cmyk.jpg", "in/cmyk.jpg");
  for (const char* name :
       {"grey_8.png", "grey_16.png", "rgb_16.png", "animation.gif", "rgb_8.tif"}) {
    fs::copy(images / "reference" / name, fs::path("in") / name);
  }
  ASSERT_THAT(RunDetect(Options({"in"})), IsOkAndHolds(0));
  EXPECT_EQ(ReadJson("out/images.json")["images"].size(), 8u);
  EXPECT_THAT(Drawn(),
              UnorderedElementsAre("one_pixel.jpg", "thin.jpg", "cmyk.jpg", "grey_8.jpg",
                                   "grey_16.jpg", "rgb_16.jpg", "animation.jpg", "rgb_8.jpg"));
}

TEST_F(DetectRunTest, NoDetectionsAreAResult) {
  Image grey(80, 100);
  std::fill_n(grey.data(), grey.size_bytes(), 127);
  Write("in/a.png", grey);
  DetectOptions options = Options({"in"});
  options.score_threshold = 0.99999;
  ::testing::internal::CaptureStdout();
  const auto failed = RunDetect(options);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("nothing found"));
  ASSERT_THAT(failed, IsOkAndHolds(0));
  EXPECT_EQ(ReadJson("out/detections.json"), json::array());
  EXPECT_EQ(ReadFile("out/detections.csv").value(), "image_id,file,class,score,x1,y1,x2,y2\n");
  EXPECT_EQ(Drawn().size(), 1u);
}

// Without a threshold all scores are written, because metrics also need low ones.
TEST_F(DetectRunTest, UsesTheIdsOfADataset) {
  Write("in/a.png", RandomImage(150, 120));
  Write("in/b.png", RandomImage(100, 120, 2));
  DetectOptions options = Options({"in/b.png"});
  options.score_threshold = 0.05;  // the model's own
  options.output = "new_ids";
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  const json with_new_ids = ReadJson("new_ids/detections.json");
  ASSERT_GT(with_new_ids.size(), 0u);

  WriteTruth(
      json::array({{{"id", 77}, {"file_name", "b.jpg"}}, {{"id", 5}, {"file_name", "c.jpg"}}}));
  options = Options({"in"});
  options.ids_of = "truth.json";
  options.score_threshold.reset();
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  const json found = ReadJson("out/detections.json");
  ASSERT_EQ(found.size(), with_new_ids.size());
  const std::map<int, int> categories = {{1, 20}, {2, 30}, {3, 10}};
  double least = 1;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i]["image_id"], 77);
    EXPECT_EQ(found[i]["category_id"], categories.at(with_new_ids[i]["category_id"].get<int>()));
    EXPECT_EQ(found[i]["score"], with_new_ids[i]["score"]);
    least = std::min(least, found[i]["score"].get<double>());
  }
  EXPECT_LT(least, 0.5);
  options.inputs = {"in/a.png"};
  options.overwrite = true;
  EXPECT_THAT(RunDetect(options), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("the image is not in truth.json")));
  options.ids_of = "absent.json";
  EXPECT_THAT(RunDetect(options), StatusIs(absl::StatusCode::kNotFound,
                                           AllOf(HasSubstr("--ids_of"), HasSubstr("absent.json"))));
}

TEST_F(DetectRunTest, NodrawDrawsNothing) {
  Write("in/a.png", RandomImage(150, 120));
  DetectOptions options = Options({"in"});
  options.draw = false;
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  EXPECT_FALSE(fs::exists("out/drawn"));
  EXPECT_TRUE(fs::exists("out/detections.json"));
}

TEST_F(DetectRunTest, QuietPrintsNothing) {
  Write("in/a.png", RandomImage(150, 120));
  DetectOptions options = Options({"in"});
  options.quiet = true;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const auto failed = RunDetect(options);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(failed, IsOkAndHolds(0));
}

TEST_F(DetectRunTest, QuietStillSaysThatThePrecisionIsAnother) {
  Write("in/a.png", RandomImage(150, 120));
  DetectOptions options = Options({"in"});
  options.quiet = true;
  options.precision = "bfloat16";
  const ScopedInstructionLevel level(InstructionLevel::kPortable);
  ::testing::internal::CaptureStderr();
  const auto result = RunDetect(options);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(result, IsOkAndHolds(0));
  EXPECT_EQ(said, PrecisionNotice(detection::Precision::kBfloat16) + "\n");
  EXPECT_THAT(said, HasSubstr("float32"));
}

TEST_F(DetectRunTest, KeepsTheBestOfEachImage) {
  Write("in/a.png", RandomImage(150, 120));
  Write("in/b.png", RandomImage(150, 120, 7));
  DetectOptions options = Options({"in"});
  options.score_threshold = 0;
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  std::map<int, std::vector<std::string>> all = RecordsOfImages("out/detections.json");
  ASSERT_THAT(all, ElementsAre(Key(1), Key(2)));
  options.max_per_image = 2;
  options.overwrite = true;
  ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
  for (auto& [image, records] : all) {
    ASSERT_GT(records.size(), 2u) << image;
    records.resize(2);
  }
  EXPECT_EQ(RecordsOfImages("out/detections.json"), all);
}

TEST_F(DetectRunTest, NoImagesErrorNamesTheFolder) {
  WriteText("in/notes.txt");
  WriteText("in/photo.heic");
  EXPECT_THAT(RunDetect(Options({"in", "absent.jpg", "*.png"})),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("in: no images in this folder"), HasSubstr("absent.jpg"),
                             HasSubstr("*.png: no file matches"), HasSubstr("1 .heic"),
                             HasSubstr(fs::current_path().string()))));
  EXPECT_FALSE(fs::exists("out"));
}

// Neither the model nor an image is there.
TEST_F(DetectRunTest, ReportsWrongOptionsFirst) {
  struct WrongOption {
    void (*set)(DetectOptions&);
    ::testing::Matcher<const std::string&> error;
  };
  const std::vector<WrongOption> wrong_options = {
      {[](DetectOptions& o) { o.model = ""; }, HasSubstr("--model is missing")},
      {[](DetectOptions& o) { o.inputs.clear(); }, HasSubstr("--input")},
      {[](DetectOptions& o) { o.score_threshold = std::nan(""); }, HasSubstr("--score_threshold")},
      {[](DetectOptions& o) { o.score_threshold = 1; }, HasSubstr("[0, 1)")},
      {[](DetectOptions& o) { o.batch = 0; }, HasSubstr("--batch=0")},
      {[](DetectOptions& o) { o.max_per_image = -1; }, HasSubstr("--max_per_image")},
      {[](DetectOptions& o) { o.output = ""; }, HasSubstr("as in --output=found")},
      {[](DetectOptions& o) { o.output = std::string(300, 'x'); },
       AllOf(HasSubstr("--output=xxx"), HasSubstr("x... (300 bytes): no file can"),
             HasSubstr("as in --output=found"))},
      {[](DetectOptions& o) { o.inference_graphs = -1; }, HasSubstr("--inference_graphs=-1")},
      {[](DetectOptions& o) { o.precision = "int8"; },
       HasSubstr("--precision: 'int8' is not float32 or bfloat16")},
  };
  for (const WrongOption& wrong : wrong_options) {
    DetectOptions options = Options({"absent.png"});
    options.model = "absent_model";
    wrong.set(options);
    EXPECT_THAT(RunDetect(options), StatusIs(absl::StatusCode::kInvalidArgument, wrong.error));
  }
  EXPECT_FALSE(fs::exists("out"));
}

TEST_F(DetectRunTest, AnInterruptedRunWritesWhatItHas) {
  Write("in/a.png", RandomImage(60, 60));
  RequestShutdown(SIGINT);
  const auto result = RunDetect(Options({"in"}));
  ResetShutdownForTesting();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled, HasSubstr("after 0 of 1 image;")));
  EXPECT_EQ(ReadJson("out/detections.json"), json::array());
  // The next run recognises whose results these are.
  EXPECT_THAT(RunDetect(Options({"in"})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--overwrite")));
}

TEST_F(DetectRunTest, ADeletedCurrentFolderIsNamed) {
  fs::create_directories("deleted");
  fs::current_path("deleted");
  fs::remove(folder_ + "/deleted");
  DetectOptions options = Options({"absent.jpg"});
  options.output = folder_ + "/out";
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("absent.jpg: no such file"),
                             HasSubstr("the current directory cannot be found"))));
}

}  // namespace
}  // namespace rcnn::tools
