// Which view of an image whose EXIF data ask for a turn the network sees, and which the results
// refer to.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/testing/exif_file.h"
#include "rcnn/tools/detect_run.h"
#include "rcnn/tools/detect_run_fixture.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class DetectRunExifTest : public DetectRunFixture {
 protected:
  // Writes in/a.jpg, a wide image whose EXIF data ask for a clockwise turn.
  static void WriteTurned() {
    const std::string jpeg =
        data::WithExif(data::EncodeJpeg(RandomImage(120, 60)).value(), data::OrientationTiff(6));
    ASSERT_THAT(WriteFileAtomically("in/a.jpg", jpeg), IsOk());
  }

  // Detects on the images in "in", and expects the results to refer to an image of this size.
  static void ExpectSize(const DetectOptions& options, int64_t width, int64_t height) {
    ASSERT_THAT(RunDetect(options), IsOkAndHolds(0));
    const json image = ReadJson("out/images.json")["images"][0];
    EXPECT_EQ(image["width"], width);
    EXPECT_EQ(image["height"], height);
    const auto drawn = data::ReadImage("out/drawn/a.jpg");
    ASSERT_THAT(drawn, IsOk());
    // Small images are drawn enlarged.
    EXPECT_EQ(drawn->width() * height, drawn->height() * width);
  }

  // The scores of the last run.
  static std::vector<double> Scores() {
    std::vector<double> scores;
    for (const json& record : ReadJson("out/detections.json")) {
      scores.push_back(record["score"].get<double>());
    }
    return scores;
  }
};

TEST_F(DetectRunExifTest, RotatesImagesAsViewersDo) {
  WriteTurned();
  DetectOptions options = Options({"in"});
  ExpectSize(options, 60, 120);
  options.exif_orientation = false;
  options.overwrite = true;
  ExpectSize(options, 120, 60);
}

// The network sees images as in training, and coordinates refer to the turned view.
TEST_F(DetectRunExifTest, AModelOfImagesAsStoredSeesThemSo) {
  WriteTurned();
  DetectOptions options = Options({"in"});
  options.exif_orientation = false;
  ExpectSize(options, 120, 60);
  const json stored = ReadJson("out/detections.json");
  ASSERT_GT(stored.size(), 0u);

  fs::copy(model_, "model");
  std::string config = ReadFile("model/detector.textproto").value();
  ASSERT_EQ(absl::StrReplaceAll({{"\ninput {", "\ninput { exif_applied: false "}}, &config), 1);
  ASSERT_THAT(WriteFileAtomically("model/detector.textproto", config), IsOk());
  options.model = "model";
  options.exif_orientation.reset();
  options.overwrite = true;
  ExpectSize(options, 60, 120);
  const json turned = ReadJson("out/detections.json");
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
TEST_F(DetectRunExifTest, WithADatasetItsFieldDecides) {
  WriteTurned();
  WriteTruth(json::array({{{"id", 1}, {"file_name", "a.jpg"}, {"width", 60}, {"height", 120}}}));
  DetectOptions options = Options({"in"});
  options.overwrite = true;
  options.exif_orientation = false;
  ExpectSize(options, 120, 60);
  const std::vector<double> of_stored = Scores();
  options.exif_orientation = true;
  ExpectSize(options, 60, 120);
  const std::vector<double> of_turned = Scores();
  ASSERT_NE(of_stored, of_turned);
  options.exif_orientation.reset();
  options.ids_of = "truth.textproto";
  for (const char* rule : {"", "exif_orientation: NOT_APPLIED", "exif_orientation: APPLIED",
                           "exif_orientation: FROM_ANNOTATED_SIZES"}) {
    SCOPED_TRACE(rule);
    const std::string config =
        absl::StrCat("coco {} paths { annotations: \"truth.json\" images: \"in\" } ", rule);
    ASSERT_THAT(WriteFileAtomically("truth.textproto", config), IsOk());
    const bool turned = absl::StrContains(rule, ": APPLIED") || absl::StrContains(rule, "SIZES");
    ExpectSize(options, turned ? 60 : 120, turned ? 120 : 60);
    EXPECT_EQ(Scores(), turned ? of_turned : of_stored);
  }
}

}  // namespace
}  // namespace rcnn::tools
