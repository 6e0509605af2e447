#include "rcnn/data/shards/shard_dataset.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/shards/shard_index.h"
#include "rcnn/data/shards/shard_writer.h"
#include "rcnn/data/testing/file_images.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

configs::DatasetConfig Config(const std::string& text) {
  return configs::ParseTextOrDie<configs::DatasetConfig>(text);
}

// Nine images in three shards.
class ShardDatasetTest : public ::testing::Test {
 protected:
  ShardDatasetTest() : source_(testing::MakeFileImages(In("images"), 9)) {
    ShardWriteOptions options;
    options.folder = In("shards");
    options.shards = 3;
    options.progress.quiet = true;
    EXPECT_THAT(WriteShards(*source_, options), IsOk());
  }

  std::string In(const std::string& name) const {
    return absl::StrCat(directory_.path(), "/", name);
  }
  std::string ShardPath(int k) const {
    return In(absl::StrCat("shards/train-0000", k, "-of-00003.tar"));
  }
  std::string IndexPath() const { return ShardIndexPath(In("shards"), "train"); }

  absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string& config = "",
                                                const std::string& image_list = "") const {
    return OpenShards(Config(config),
                      {.index = IndexPath(), .folder = In("shards"), .image_list = image_list});
  }

  const TemporaryDirectory directory_{"shard_dataset_test"};
  std::unique_ptr<Dataset> source_;
};

TEST_F(ShardDatasetTest, OpeningReadsNoImage) {
  for (int k = 0; k < 3; ++k) {
    const auto size = fs::file_size(ShardPath(k));
    ASSERT_THAT(WriteFileAtomically(ShardPath(k), std::string(size, 'x')), IsOk());
  }
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ((*dataset)->fingerprint(), source_->fingerprint());
  EXPECT_EQ((*dataset)->image(8).path, "");
  EXPECT_THAT((*dataset)->LoadImage(4),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(ShardPath(1)), HasSubstr("4.png at "),
                             HasSubstr("another checksum"), HasSubstr("copy shards and index"))));
}

TEST_F(ShardDatasetTest, AShardThatIsMissingOrOfAnotherSizeIsNamed) {
  const std::string bytes = *ReadFile(ShardPath(1));
  ASSERT_THAT(WriteFileAtomically(ShardPath(1), bytes.substr(0, bytes.size() / 2)), IsOk());
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr(ShardPath(1)), HasSubstr("cut off or replaced"),
                                     HasSubstr(absl::StrCat("says ", bytes.size())))));
  fs::remove(ShardPath(1));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound,
                               AllOf(HasSubstr(ShardPath(1)),
                                     HasSubstr("needs it for 3 images: copy it there"))));
  // No user can read a link to itself; it is not missing.
  fs::create_symlink(ShardPath(1), ShardPath(1));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr(ShardPath(1) + ": Too many levels"),
                                     Not(HasSubstr("copy it there")))));
}

TEST_F(ShardDatasetTest, AShardThatIsCutOffLaterIsAnErrorOfItsImages) {
  const auto dataset = Open();
  ASSERT_THAT(dataset, IsOk());
  fs::resize_file(ShardPath(2), 600);
  EXPECT_THAT(
      (*dataset)->LoadImage(6),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("6.png: "), HasSubstr("ends at 600"))));
  EXPECT_THAT((*dataset)->LoadImage(0), IsOk());
}

TEST_F(ShardDatasetTest, AnotherIndexDoesNotFitTheShards) {
  const auto other = testing::MakeFileImages(In("other"), 6);
  ShardWriteOptions options;
  options.folder = In("others");
  options.shards = 3;
  options.progress.quiet = true;
  ASSERT_THAT(WriteShards(*other, options), IsOk());
  EXPECT_THAT(
      OpenShards({}, {.index = ShardIndexPath(In("others"), "train"), .folder = In("shards")}),
      StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ShardDatasetTest, TheConfigChoosesClasses) {
  const auto dataset = Open("classes: 'dog' ignore_other_classes: true");
  ASSERT_THAT(dataset, IsOk());
  EXPECT_THAT((*dataset)->classes().names, ElementsAre("dog"));
  EXPECT_THAT((*dataset)->classes().category_ids, ElementsAre(3));
  EXPECT_TRUE((*dataset)->defects().empty());
  int64_t dogs = 0;
  for (int64_t i = 0; i < source_->size(); ++i) {
    for (const Object& object : source_->objects(i)) dogs += object.label == 2;
    for (const Object& object : (*dataset)->objects(i)) {
      EXPECT_EQ(object.label, 1);
      --dogs;
    }
  }
  EXPECT_EQ(dogs, 0);
  const auto reported = Open("classes: 'dog'");
  ASSERT_THAT(reported, IsOk());
  EXPECT_GT((*reported)->defects().total(), 0);
  EXPECT_THAT(Open("classes: 'cow'"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the class \"cow\" of the config is not one of its classes")));
}

TEST_F(ShardDatasetTest, TheConfigChoosesImages) {
  const auto full = Open("leave_out_empty_images: true crowd: LEAVE_OUT");
  ASSERT_THAT(full, IsOk());
  ASSERT_LT((*full)->size(), source_->size());
  for (int64_t i = 0; i < (*full)->size(); ++i) {
    EXPECT_FALSE((*full)->objects(i).empty());
    EXPECT_THAT((*full)->LoadImage(i), IsOk());
  }
  ASSERT_THAT(WriteFileAtomically(In("list.txt"), "7.jpg\n2.png\n"), IsOk());
  const auto listed =
      Open(absl::StrCat("paths { image_list: '", In("list.txt"), "' }"), In("list.txt"));
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ((*listed)->size(), 2);
  EXPECT_EQ((*listed)->image(1).name, "7.jpg");
  EXPECT_EQ((*listed)->image(1).id, 107);
  EXPECT_EQ(*(*listed)->ReadImageBytes(1), *source_->ReadImageBytes(7));
}

TEST_F(ShardDatasetTest, BoxesMayBeInclusive) {
  const auto dataset = Open("inclusive_boxes: true");
  ASSERT_THAT(dataset, IsOk());
  EXPECT_TRUE((*dataset)->inclusive_boxes());
  const Object before = source_->objects(1)[0];
  const Object after = (*dataset)->objects(1)[0];
  EXPECT_EQ(after.xywh, before.xywh);
  EXPECT_FLOAT_EQ(after.box.x2, before.box.x2 - 1);
}

TEST_F(ShardDatasetTest, WhatWasDecidedAtTheWritingIsRefused) {
  for (const char* const field : {"exif_orientation: APPLIED", "box_units: FRACTIONS"}) {
    EXPECT_THAT(Open(field), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("was decided when the shards were written")));
  }
}

}  // namespace
}  // namespace rcnn::data
