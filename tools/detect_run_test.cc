#include "rcnn/tools/detect_run.h"

#include <ATen/ATen.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/deep_file.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/testing/exif_file.h"
#include "rcnn/detection/detector.h"
#include "rcnn/tools/detect_model.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using data::Image;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// Coarse noise, in which the detector detects objects.
Image RandomImage(int64_t width, int64_t height, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> coarse(6 * 8 * Image::kChannels);
  for (uint8_t& value : coarse) value = static_cast<uint8_t>(random());
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t cell = y * 6 / height * 8 + x * 8 / width;
      std::copy_n(&coarse[3 * cell], 3, image.row(y) + 3 * x);
    }
  }
  return image;
}

// Of two images of one size, over all channels.
double MeanDifference(const Image& a, const Image& b) {
  int64_t sum = 0;
  for (int64_t i = 0; i < a.size_bytes(); ++i) sum += std::abs(a.data()[i] - b.data()[i]);
  return static_cast<double>(sum) / static_cast<double>(a.size_bytes());
}

class DetectRunTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = absl::StrCat(::testing::TempDir(), "/detect_run_test_model_", getpid());
    testing::WriteTinyDetector(model_);
  }
  static void TearDownTestSuite() { fs::remove_all(model_); }

  void SetUp() override {
    before_ = fs::current_path();
    folder_ = absl::StrCat(::testing::TempDir(), "/detect_run_test_", getpid());
    fs::create_directories(folder_ + "/in");
    fs::current_path(folder_);
  }
  void TearDown() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  static void Write(const std::string& path, const Image& image) {
    fs::create_directories(fs::path(path).parent_path());
    const absl::StatusOr<std::string> bytes = data::EncodeFor(path, image);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(WriteFileAtomically(path, *bytes), IsOk());
  }
  static void WriteText(const std::string& path) { std::ofstream(path) << "no image"; }

  static DetectOptions Options(const std::vector<std::string>& inputs) {
    DetectOptions options;
    options.model = model_;
    options.inputs = inputs;
    options.output = "out";
    options.score_threshold = 0.1;
    return options;
  }

  static json Read(const std::string& path) { return json::parse(ReadFile(path).value()); }

  static std::vector<std::string> Drawn() {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator("out/drawn")) {
      if (entry.is_regular_file()) {
        files.push_back(fs::relative(entry.path(), "out/drawn").string());
        EXPECT_THAT(data::ReadImage(entry.path().string()), IsOk());
      }
    }
    return files;
  }

  static std::string model_;
  fs::path before_;
  std::string folder_;
};

std::string DetectRunTest::model_;

TEST_F(DetectRunTest, WritesTheDetections) {
  Write("in/a.png", RandomImage(150, 120));
  Write("in/b.png", RandomImage(96, 200, 2));
  ASSERT_EQ(RunDetect(Options({"in"})).value(), 0);
  const auto detector = detection::Detector::Load(model_).value();
  json expected = json::array();
  for (int i = 0; i < 2; ++i) {
    data::Image image = data::ReadImage(i == 0 ? "in/a.png" : "in/b.png").value();
    const detection::Detections found =
        detector->Detect(at::from_blob(image.data(), {image.height(), image.width(), 3}, at::kByte))
            .value();
    for (int64_t k = 0; k < found.scores.size(0); ++k) {
      if (found.scores[k].item<double>() <= 0.1) continue;
      expected.push_back({{"image_id", i + 1},
                          {"category_id", found.labels[k].item<int64_t>()},
                          {"score", found.scores[k].item<double>()}});
    }
  }
  ASSERT_GT(expected.size(), 3u);
  const json found = Read("out/detections.json");
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i]["image_id"], expected[i]["image_id"]) << i;
    EXPECT_EQ(found[i]["category_id"], expected[i]["category_id"]) << i;
    EXPECT_NEAR(found[i]["score"].get<double>(), expected[i]["score"].get<double>(), 1e-5) << i;
    const int width = found[i]["image_id"] == 1 ? 150 : 96;
    EXPECT_GE(found[i]["bbox"][0], 0);
    EXPECT_LE(found[i]["bbox"][0].get<double>() + found[i]["bbox"][2].get<double>(), width + 1e-3);
  }
  const json images = Read("out/images.json");
  EXPECT_EQ(images["images"][1],
            (json{{"id", 2}, {"file_name", "b.png"}, {"width", 96}, {"height", 200}}));
  EXPECT_EQ(images["categories"][2], (json{{"id", 3}, {"name", "platelet"}}));
  const std::vector<std::string> rows =
      absl::StrSplit(ReadFile("out/detections.csv").value(), '\n', absl::SkipEmpty());
  EXPECT_EQ(rows.size(), found.size() + 1);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "b.jpg"));
}

// Boxes in the colour of their class, on their image.
TEST_F(DetectRunTest, DrawnIsTheImageWithBoxes) {
  Write("in/a.png", RandomImage(800, 600));
  DetectOptions options = Options({"in/a.png"});
  ASSERT_THAT(RunDetect(options), IsOk());
  const Image drawn = *data::ReadImage("out/drawn/a.jpg");
  options.score_threshold = 0.99999;
  options.output = "none";
  ASSERT_THAT(RunDetect(options), IsOk());
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
  EXPECT_EQ(RunDetect(Options({"in", "absent", "no*.png"})).value(), 6);
  const std::string errors = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(errors, AllOf(HasSubstr("6 of 8 failed"), HasSubstr("in/text.jpg: not a JPEG"),
                            HasSubstr("in/empty.png: empty file"), HasSubstr("in/cut_off.jpg: "),
                            HasSubstr("in/dangling.jpg"), HasSubstr("absent: no such file"),
                            HasSubstr("no*.png: no file matches")));
  // Ids count every input image, so repairing one does not change the others.
  const json images = Read("out/images.json")["images"];
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
  const json images = Read("out/images.json")["images"];
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
  EXPECT_EQ(Read(options.output + "/images.json")["images"].size(), 1u);
  EXPECT_TRUE(fs::exists(options.output + "/drawn/a.jpg"));
  options.draw = false;
  options.overwrite = true;
  EXPECT_THAT(RunDetect(options), IsOkAndHolds(0));
  EXPECT_EQ(Read(options.output + "/images.json")["images"].size(), 2u);
}

// A name cannot control the terminal or look like another line.
TEST_F(DetectRunTest, NamesAreEscapedOnTheTerminal) {
  Write("in/a\033[2J\n.png", RandomImage(100, 80));
  WriteText("in/b\033]0;title\007\n3 of 3 failed.jpg");
  WriteText("in/c.\033[31m.heic");
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunDetect(Options({"in"})).value(), 1);
  const std::string out = ::testing::internal::GetCapturedStdout();
  const std::string errors = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, AllOf(HasSubstr("a\\x1b[2J\\n.png"), Not(HasSubstr("\033"))));
  EXPECT_THAT(errors, AllOf(HasSubstr("in/b\\x1b]0;title\\x07\\n3 of 3 failed.jpg: "),
                            Not(HasSubstr("\033")), Not(HasSubstr("\n3 of 3 failed"))));
  // Files contain the names unescaped.
  EXPECT_EQ(Read("out/images.json")["images"][0]["file_name"], "a\033[2J\n.png");
}

TEST_F(DetectRunTest, EqualNamesDoNotCollide) {
  Write("x/1.png", RandomImage(100, 80));
  Write("y/1.png", RandomImage(120, 80));
  Write("y/1.jpg", RandomImage(140, 80));
  ASSERT_EQ(RunDetect(Options({"x", "y"})).value(), 0);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("x/1.jpg", "y/1.jpg", "y/1.png.jpg"));
  const json images = Read("out/images.json")["images"];
  EXPECT_THAT((std::vector<std::string>{images[0]["file_name"], images[1]["file_name"],
                                        images[2]["file_name"]}),
              ElementsAre("x/1.png", "y/1.jpg", "y/1.png"));
}

TEST_F(DetectRunTest, ReadsGrey16BitAndCmykImages) {
  Write("in/one_pixel.png", RandomImage(1, 1));
  Write("in/thin.png", RandomImage(700, 1));
  const fs::path images = before_ / "data/image/testdata";
  fs::copy(images / "cmyk.jpg", "in/cmyk.jpg");
  for (const char* name :
       {"grey_8.png", "grey_16.png", "rgb_16.png", "animation.gif", "rgb_8.tif"}) {
    fs::copy(images / "reference" / name, fs::path("in") / name);
  }
  ASSERT_EQ(RunDetect(Options({"in"})).value(), 0);
  EXPECT_EQ(Read("out/images.json")["images"].size(), 8u);
  EXPECT_EQ(Drawn().size(), 8u);
}

TEST_F(DetectRunTest, NoDetectionsAreAResult) {
  Image grey(80, 100);
  std::fill_n(grey.data(), grey.size_bytes(), 127);
  Write("in/a.png", grey);
  DetectOptions options = Options({"in"});
  options.score_threshold = 0.99999;
  ::testing::internal::CaptureStdout();
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("nothing found"));
  EXPECT_EQ(Read("out/detections.json"), json::array());
  EXPECT_EQ(ReadFile("out/detections.csv").value(), "image_id,file,class,score,x1,y1,x2,y2\n");
  EXPECT_EQ(Drawn().size(), 1u);
}

// Writes a wide image whose EXIF data ask for a clockwise turn.
void WriteTurned(const std::string& path) {
  const std::string jpeg =
      data::WithExif(data::EncodeJpeg(RandomImage(120, 60)).value(), data::OrientationTiff(6));
  ASSERT_THAT(WriteFileAtomically(path, jpeg), IsOk());
}

TEST_F(DetectRunTest, RotatesImagesAsViewersDo) {
  WriteTurned("in/a.jpg");
  DetectOptions options = Options({"in"});
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_EQ(Read("out/images.json")["images"][0]["width"], 60);
  options.exif_orientation = false;
  options.overwrite = true;
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_EQ(Read("out/images.json")["images"][0]["width"], 120);
}

// The network sees images as in training, and coordinates refer to the turned view.
TEST_F(DetectRunTest, AModelOfImagesAsStoredSeesThemSo) {
  WriteTurned("in/a.jpg");
  DetectOptions options = Options({"in"});
  options.exif_orientation = false;
  ASSERT_EQ(RunDetect(options).value(), 0);
  const json stored = Read("out/detections.json");
  ASSERT_GT(stored.size(), 0u);

  fs::copy(model_, "model");
  std::string config = ReadFile("model/detector.textproto").value();
  ASSERT_EQ(config.find("\ninput {"), config.rfind("\ninput {"));
  const size_t input = config.find("\ninput {");
  const std::string field = " exif_applied: false ";
  if (input == std::string::npos) {
    config += "input {" + field + "}\n";
  } else {
    config.insert(input + 8, field);
  }
  ASSERT_THAT(WriteFileAtomically("model/detector.textproto", config), IsOk());
  options.model = "model";
  options.exif_orientation.reset();
  options.overwrite = true;
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_EQ(Read("out/images.json")["images"][0]["width"], 60);
  EXPECT_EQ(Read("out/images.json")["images"][0]["height"], 120);
  const json turned = Read("out/detections.json");
  ASSERT_EQ(turned.size(), stored.size());
  for (size_t i = 0; i < turned.size(); ++i) {
    const auto box = stored[i]["bbox"].get<std::array<double, 4>>();
    const auto expected = data::TurnBox(box, data::Orientation::kQuarterTurnClockwise, 120, 60);
    const auto found = turned[i]["bbox"].get<std::array<double, 4>>();
    for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(found[k], expected[k], 1e-3);
    EXPECT_EQ(turned[i]["score"], stored[i]["score"]);
  }
}

// The dataset of --ids_of decides, for the network and for the coordinates.
TEST_F(DetectRunTest, WithADatasetItsFieldDecides) {
  WriteTurned("in/a.jpg");
  const json truth = {
      {"images", {{{"id", 1}, {"file_name", "a.jpg"}, {"width", 60}, {"height", 120}}}},
      {"categories",
       {{{"id", 10}, {"name", "platelet"}},
        {{"id", 20}, {"name", "red"}},
        {{"id", 30}, {"name", "white"}}}},
      {"annotations", json::array()}};
  ASSERT_THAT(WriteFileAtomically("truth.json", truth.dump()), IsOk());
  DetectOptions options = Options({"in"});
  for (const char* rule : {"", "exif_orientation: NOT_APPLIED", "exif_orientation: APPLIED",
                           "exif_orientation: FROM_ANNOTATED_SIZES"}) {
    const std::string config =
        absl::StrCat("coco {} paths { annotations: \"truth.json\" images: \"in\" } ", rule);
    ASSERT_THAT(WriteFileAtomically("truth.textproto", config), IsOk());
    options.ids_of = "truth.textproto";
    options.overwrite = true;
    ASSERT_EQ(RunDetect(options).value(), 0);
    const bool turned = absl::StrContains(rule, ": APPLIED") || absl::StrContains(rule, "SIZES");
    EXPECT_EQ(Read("out/images.json")["images"][0]["width"], turned ? 60 : 120) << rule;
  }
}

// Annotations belong to stored images, and metrics also need low scores.
TEST_F(DetectRunTest, UsesTheIdsOfADataset) {
  Write("in/a.png", RandomImage(150, 120));
  Write("in/b.png", RandomImage(100, 120, 2));
  const json truth = {
      {"images", {{{"id", 77}, {"file_name", "b.jpg"}}, {{"id", 5}, {"file_name", "c.jpg"}}}},
      {"categories",
       {{{"id", 10}, {"name", "platelet"}},
        {{"id", 20}, {"name", "red"}},
        {{"id", 30}, {"name", "white"}}}},
      {"annotations", json::array()}};
  ASSERT_THAT(WriteFileAtomically("truth.json", truth.dump()), IsOk());
  DetectOptions options = Options({"in"});
  options.ids_of = "truth.json";
  options.score_threshold.reset();
  ASSERT_EQ(RunDetect(options).value(), 0);
  const json found = Read("out/detections.json");
  ASSERT_GT(found.size(), 0u);
  double least = 1;
  for (const json& record : found) {
    EXPECT_EQ(record["image_id"], 77);
    EXPECT_THAT(record["category_id"].get<int>(), ::testing::AnyOf(10, 20, 30));
    least = std::min(least, record["score"].get<double>());
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
  options.quiet = true;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(fs::exists("out/drawn"));
  EXPECT_TRUE(fs::exists("out/detections.json"));
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
  options.max_per_image = 2;
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_EQ(Read("out/detections.json").size(), 4u);
}

TEST_F(DetectRunTest, DoesNotOverwriteOtherFiles) {
  Write("in/a.png", RandomImage(60, 60));
  Write("out/drawn/a.jpg", RandomImage(60, 60));
  EXPECT_THAT(RunDetect(Options({"out/drawn/a.jpg"})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("out/drawn/a.jpg"), HasSubstr("choose another --output"))));
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

TEST_F(DetectRunTest, SecondRunIntoAFolderIsRefused) {
  Write("in/a.png", RandomImage(60, 60));
  ASSERT_EQ(RunDetect(Options({"in"})).value(), 0);
  const std::string before = ReadFile("out/images.json").value();
  Write("in/b.png", RandomImage(60, 60));
  EXPECT_THAT(RunDetect(Options({"in"})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("--output=out"), HasSubstr("--overwrite"))));
  EXPECT_EQ(ReadFile("out/images.json").value(), before);
}

TEST_F(DetectRunTest, OverwriteReplacesTheFirstResultsAndNothingElse) {
  Write("in/a.png", RandomImage(60, 60));
  Write("in/b.png", RandomImage(60, 60));
  ASSERT_EQ(RunDetect(Options({"."})).value(), 0);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "b.jpg"));
  Write("out/drawn/own.jpg", RandomImage(60, 60));
  WriteText("out/notes.txt");
  fs::remove("in/b.png");
  DetectOptions options = Options({"."});
  options.overwrite = true;
  // It does not read its own drawings.
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_EQ(Read("out/images.json")["images"].size(), 1u);
  EXPECT_THAT(Drawn(), UnorderedElementsAre("a.jpg", "own.jpg"));
  EXPECT_TRUE(fs::exists("out/notes.txt"));
  options.draw = false;
  ASSERT_EQ(RunDetect(options).value(), 0);
  EXPECT_THAT(Drawn(), ElementsAre("own.jpg"));
}

TEST_F(DetectRunTest, OverwriteKeepsInputImages) {
  Write("in/a.png", RandomImage(60, 60));
  ASSERT_EQ(RunDetect(Options({"in"})).value(), 0);
  DetectOptions options = Options({"out/drawn/a.jpg", "in/a.png"});
  options.overwrite = true;
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("out/drawn/a.jpg is one of the input images")));
  EXPECT_THAT(Drawn(), ElementsAre("a.jpg"));
}

TEST_F(DetectRunTest, FormsOfTheOutputFolder) {
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

TEST_F(DetectRunTest, ReportsWrongOptionsFirst) {
  Write("in/a.png", RandomImage(60, 60));
  DetectOptions options = Options({"in"});
  options.model = "";
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--model is missing")));
  EXPECT_THAT(RunDetect(Options({})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--input")));
  options = Options({"in"});
  options.score_threshold = std::nan("");
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--score_threshold")));
  options.score_threshold = 1;
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("[0, 1)")));
  options = Options({"in"});
  options.batch = 0;
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--batch=0")));
  options.batch = 1;
  options.max_per_image = -1;
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--max_per_image")));
  options.max_per_image = 0;
  options.output = "";
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("as in --output=found")));
  options.output = std::string(300, 'x');
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--output=xxx"), HasSubstr("x... (300 bytes): no file can"),
                             HasSubstr("as in --output=found"))));
  options.output = absl::StrCat(DeepPath("out", 4000), "/", std::string(60, 'x'));
  EXPECT_THAT(
      RunDetect(options),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr(absl::StrCat(options.output.size(), " bytes leaves no room")),
                     HasSubstr("as in --output=found"))));
  EXPECT_FALSE(fs::exists("out"));
  options = Options({"in"});
  options.inference_graphs = -1;
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--inference_graphs=-1")));
  options = Options({"in"});
  options.precision = "int8";
  EXPECT_THAT(RunDetect(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--precision: 'int8' is not float32 or bfloat16")));
}

TEST_F(DetectRunTest, InterruptionKeepsFinishedResults) {
  Write("in/a.png", RandomImage(60, 60));
  RequestShutdown(SIGINT);
  const auto result = RunDetect(Options({"in"}));
  ResetShutdownForTesting();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled, HasSubstr("after 0 of 1 image;")));
  EXPECT_EQ(Read("out/detections.json"), json::array());
  // The next run recognises whose results these are.
  EXPECT_THAT(RunDetect(Options({"in"})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--overwrite")));
}

}  // namespace
}  // namespace rcnn::tools
