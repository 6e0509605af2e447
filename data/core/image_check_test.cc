#include "rcnn/data/core/image_check.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFolder[] = "data/image/testdata";

// An image in a file, annotated for the size in its header, if it has one.
ImageInfo Image(const std::string& path) {
  ImageInfo info;
  info.name = info.path = path;
  const auto header = ReadImageHeader(path);
  info.width = header.ok() ? header->width : 10;
  info.height = header.ok() ? header->height : 10;
  return info;
}

std::unique_ptr<Dataset> Images(std::vector<ImageInfo> images) {
  AnnotationTable table;
  table.classes = {{"thing"}, {1}};
  for (ImageInfo& info : images) {
    info.id = table.num_images() + 1;
    table.AddImage(std::move(info));
  }
  return std::make_unique<FileDataset>(std::move(table), DecodeOptions());
}

std::vector<int64_t> Found(const Dataset& dataset, int threads) {
  const auto found = FindUnreadableImages(dataset, {.threads = threads});
  EXPECT_THAT(found, IsOk());
  std::vector<int64_t> indices;
  for (const UnreadableImage& image : *found) indices.push_back(image.index);
  return indices;
}

// Intact files of every format, cut off files, empty files, and files with a wrong size.
TEST(ImageCheckTest, FindsImagesThatDecodingRejects) {
  std::vector<ImageInfo> images;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    images.push_back(Image(entry.path()));
  }
  const auto dataset = Images(images);
  std::vector<int64_t> refused;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    if (!dataset->LoadImage(i).ok()) refused.push_back(i);
  }
  EXPECT_GE(refused.size(), 10u);
  EXPECT_GE(dataset->size() - static_cast<int64_t>(refused.size()), 8);
  EXPECT_EQ(Found(*dataset, 1), refused);
  EXPECT_EQ(Found(*dataset, 8), refused);
}

TEST(ImageCheckTest, GivesTheErrorOfLoading) {
  const std::string whole = std::string(kFolder) + "/whole.jpg";
  ImageInfo other_size = Image(whole);
  other_size.width += 1;
  const auto dataset =
      Images({Image(whole), other_size, Image(std::string(kFolder) + "/cut_off.jpg"),
              Image(std::string(kFolder) + "/nothing.jpg")});
  const auto found = FindUnreadableImages(*dataset);
  ASSERT_THAT(found, IsOk());
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].index, 1);
  EXPECT_THAT((*found)[0].error, StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("its annotation was made for")));
  EXPECT_THAT((*found)[1].error,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cut off")));
  EXPECT_THAT((*found)[2].error, StatusIs(absl::StatusCode::kNotFound));
}

// Any number of bytes after the end is not damage.
TEST(ImageCheckTest, BytesAfterTheImageAreIgnored) {
  const std::string bytes = ReadFile(std::string(kFolder) + "/whole.jpg").value();
  const std::string path = ::testing::TempDir() + "/followed.jpg";
  for (const size_t more : {1u, 5000u}) {
    ASSERT_THAT(WriteFileAtomically(path, bytes + std::string(more, '.')), IsOk());
    EXPECT_THAT(Found(*Images({Image(path)}), 1), IsEmpty()) << more;
  }
}

TEST(ImageCheckTest, ImagesWithoutFilesAreNotLoaded) {
  testing::FakeDataset dataset(std::vector<testing::FakeImage>{{40, 30, {}, /*broken=*/true}});
  EXPECT_THAT(Found(dataset, 2), IsEmpty());
  EXPECT_THAT(dataset.loads(), ElementsAre(0));
}

TEST(ImageCheckTest, ReportsProgressAndStopsOnRequest) {
  const auto dataset =
      Images(std::vector<ImageInfo>(20, Image(std::string(kFolder) + "/whole.png")));
  std::atomic<int> done{0};
  EXPECT_THAT(FindUnreadableImages(*dataset, {.progress = [&] { ++done; }}), IsOk());
  EXPECT_EQ(done, 20);
  const auto stopped = FindUnreadableImages(
      *dataset, {.threads = 1, .progress = [&] { ++done; }, .stop = [&] { return done >= 25; }});
  EXPECT_THAT(stopped, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(done, 25);
}

}  // namespace
}  // namespace rcnn::data
