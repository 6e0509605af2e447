#include "rcnn/training/scheduler/check_images.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CheckImagesTest : public testing::Test {
 protected:
  CheckImagesTest() : folder_(FreshDirectory()) {
    run_.datasets[configs::TRAIN] = Images("train", 15);
    run_.datasets[configs::TEST] = run_.datasets[configs::VALIDATION] = Images("test", 3);
  }

  std::string Path(const std::string& name, int index) const {
    return absl::StrCat(folder_, "/", name, index, ".png");
  }

  std::shared_ptr<const data::Dataset> Images(const std::string& name, int count) {
    data::Image black(8, 12);
    std::fill_n(black.data(), 8 * 12 * data::Image::kChannels, 0);
    const std::string bytes = data::EncodePng(black).value();
    data::AnnotationTable table;
    table.classes = {{"thing"}, {1}};
    for (int i = 0; i < count; ++i) {
      data::ImageInfo info;
      info.id = i + 1;
      info.path = Path(name, i);
      info.width = 12;
      info.height = 8;
      EXPECT_THAT(WriteFileAtomically(info.path, bytes), IsOk());
      table.AddImage(std::move(info));
    }
    return std::make_shared<data::FileDataset>(std::move(table), data::DecodeOptions());
  }

  absl::Status Error() { return CheckImages(run_, /*quiet=*/true); }

  const std::string folder_;
  ExperimentRun run_;
};

TEST_F(CheckImagesTest, AcceptsIntactImages) {
  EXPECT_THAT(CheckImages(run_, /*quiet=*/true), IsOk());
}

TEST_F(CheckImagesTest, NamesSomeImagesWithTheirErrors) {
  std::filesystem::resize_file(Path("train", 4), 40);
  std::filesystem::remove(Path("train", 7));
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("data.train: 2 of 15 images cannot be read"),
                                      HasSubstr(Path("train", 4) + ": "), HasSubstr("cut off"),
                                      HasSubstr(Path("train", 7) + ": "), HasSubstr("--norehearse"),
                                      Not(HasSubstr("more")))));
}

// A link to itself can be read as little as a file on a disk with errors. Nobody should remove such
// an image from a list.
TEST_F(CheckImagesTest, ImagesThatCannotBeReadNowAreNotToBeReplaced) {
  std::filesystem::resize_file(Path("train", 4), 40);
  std::filesystem::remove(Path("train", 7));
  std::filesystem::create_symlink(Path("train", 7), Path("train", 7));
  EXPECT_THAT(Error(),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("data.train: 1 of 15 images cannot be read now"),
                             HasSubstr(Path("train", 7) + ": Too many levels"),
                             HasSubstr("They may be intact"), Not(HasSubstr("Replace them")),
                             Not(HasSubstr("remove them")), Not(HasSubstr(Path("train", 4))))));
}

TEST_F(CheckImagesTest, CountsTheRest) {
  for (int i = 0; i < 12; ++i) std::filesystem::resize_file(Path("train", i), 0);
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("12 of 15"), HasSubstr(Path("train", 9)),
                                      Not(HasSubstr(Path("train", 10))), HasSubstr("and 2 more"))));
}

TEST_F(CheckImagesTest, ChecksAllDatasets) {
  std::filesystem::resize_file(Path("test", 1), 0);
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 of 3 images")));
}

TEST_F(CheckImagesTest, NameOfATurnedImageIsEscaped) {
  const std::string jpeg =
      data::WithExif(data::EncodeJpeg(data::Image(8, 12)).value(), data::OrientationTiff(6));
  data::ImageInfo info;
  info.id = 1;
  info.name = "a\033[2J\nerror: b.jpg";
  info.path = absl::StrCat(folder_, "/turned.jpg");
  info.width = 12;
  info.height = 8;
  ASSERT_THAT(WriteFileAtomically(info.path, jpeg), IsOk());
  data::AnnotationTable table;
  table.AddImage(std::move(info));
  run_.datasets[configs::TRAIN] =
      std::make_shared<data::FileDataset>(std::move(table), data::DecodeOptions());
  testing::internal::CaptureStdout();
  EXPECT_THAT(CheckImages(run_, /*quiet=*/false), IsOk());
  EXPECT_THAT(testing::internal::GetCapturedStdout(),
              AllOf(HasSubstr("data.train: 1 image has an EXIF orientation"),
                    HasSubstr("such as a\\x1b[2J\\nerror: b.jpg. "), Not(HasSubstr("\033"))));
}

TEST_F(CheckImagesTest, StopsOnShutdown) {
  RequestShutdown(15);
  EXPECT_THAT(CheckImages(run_, /*quiet=*/true), StatusIs(absl::StatusCode::kCancelled));
  ResetShutdownForTesting();
}

}  // namespace
}  // namespace rcnn::training
