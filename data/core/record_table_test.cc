#include "rcnn/data/core/record_table.h"

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A record of an image of 40 x 20 pixels that exists.
ImageRecord Record(const std::string& name) {
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  const auto bytes = EncodePng(Image(20, 40));
  EXPECT_THAT(bytes, IsOk());
  EXPECT_THAT(WriteFileAtomically(path, *bytes), IsOk());
  ImageRecord record;
  record.source = name + ".txt";
  record.name = name;
  record.path = path;
  return record;
}

ObjectRecord MakeRecord(const std::string& name, std::array<double, 4> xywh) {
  ObjectRecord object;
  object.class_name = name;
  object.xywh = xywh;
  object.value = "the box";
  return object;
}

TEST(RecordTable, SortsTheClassesThatItFinds) {
  const configs::DatasetConfig config;
  RecordTable records(config, {});
  ImageRecord record = Record("a.png");
  record.objects = {MakeRecord("dog", {1, 2, 3, 4}), MakeRecord("ant", {2, 2, 3, 4}),
                    MakeRecord("dog", {3, 2, 3, 4})};
  records.Add(std::move(record));
  const auto table = std::move(records).Finish("set");
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->classes.names, ElementsAre("ant", "dog"));
  EXPECT_THAT(table->classes.category_ids, ElementsAre(1, 2));
  ASSERT_EQ(table->objects.size(), 3u);
  EXPECT_EQ(table->objects[0].label, 2);
  EXPECT_EQ(table->objects[1].label, 1);
  EXPECT_EQ(table->objects[2].id, 3);
  EXPECT_TRUE(table->defects.empty());
}

TEST(RecordTable, TurnsFractionsIntoPixelsOfTheImageAsItIs) {
  const configs::DatasetConfig config;
  RecordTable records(config, {"cat"});
  ImageRecord record = Record("a.png");
  record.width = 80;
  record.height = 40;
  record.objects = {MakeRecord("cat", {0.25, 0.5, 0.5, 0.25})};
  record.objects[0].fractions = true;
  records.Add(std::move(record));
  const auto table = std::move(records).Finish("set");
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->objects.at(0).xywh, ElementsAre(10, 10, 20, 5));
  EXPECT_THAT(table->defects.ToString(9), HasSubstr("80 x 40, the image a.png has 40 x 20"));
}

TEST(RecordTable, FractionsNeedAField) {
  ImageRecord record = Record("a.png");
  record.objects = {MakeRecord("cat", {0.25, 0.5, 0.5, 0.25}), MakeRecord("cat", {0, 0, 1, 1})};
  const auto read = [&](const configs::DatasetConfig& config) {
    RecordTable records(config, {});
    records.Add(record);
    return std::move(records).Finish("set");
  };
  configs::DatasetConfig config;
  EXPECT_THAT(read(config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("set: all 2 boxes"), HasSubstr("--box_units=fractions"))));
  config.set_box_units(configs::FRACTIONS);
  const auto table = read(config);
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->objects.at(0).xywh, ElementsAre(10, 10, 20, 5));
  config.set_box_units(configs::PIXELS);
  EXPECT_THAT(read(config), IsOk());
}

// Image of 40 x 20 pixels. Less than 0.05 pixels are rounding and need no notice.
TEST(RecordTable, TellsThatBoxesWereTrimmed) {
  configs::DatasetConfig config;
  config.set_overrun_tolerance_px(1);
  RecordTable records(config, {});
  ImageRecord record = Record("a.png");
  record.objects = {MakeRecord("cat", {30, 2, 10.75, 4}), MakeRecord("cat", {-0.5, 2, 10, 4}),
                    MakeRecord("cat", {30, 2, 10.03, 4})};
  records.Add(std::move(record));
  const auto table = std::move(records).Finish("set");
  ASSERT_THAT(table, IsOk());
  ASSERT_EQ(table->objects.size(), 3u);
  EXPECT_THAT(table->objects[0].xywh, ElementsAre(30, 2, 10, 4));
  EXPECT_THAT(table->objects[1].xywh, ElementsAre(0, 2, 9.5, 4));
  EXPECT_TRUE(table->defects.empty());
  EXPECT_THAT(table->defects.notices(), ElementsAre(HasSubstr("2 boxes that leave the image")));
}

TEST(RecordTable, ReportsWhatItDrops) {
  const configs::DatasetConfig config;
  RecordTable records(config, {"cat"});
  ImageRecord record = Record("a.png");
  record.objects = {MakeRecord("cat", {1, 1, 5, 5}), MakeRecord("cow", {1, 1, 5, 5}),
                    MakeRecord("cat", {100, 1, 5, 5}), MakeRecord("cat", {1, 1, 5, 5})};
  record.objects[3].problem = DefectKind::kBadNumber;
  records.Add(record);
  records.Add(record);
  record.name = "b.png";
  record.path += "none";
  records.Add(record);
  records.DropImage("c.txt", DefectKind::kUnreadableAnnotation, "why");
  const auto table = std::move(records).Finish("set");
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->num_images(), 1);
  EXPECT_EQ(table->objects.size(), 1u);
  EXPECT_EQ(table->defects.count(DefectAction::kObjectDropped), 3);
  EXPECT_EQ(table->defects.count(DefectAction::kImageDropped), 3);
  EXPECT_EQ(table->defects.lost_objects(), 3 + 4 + 4) << "with those of dropped images";
  EXPECT_THAT(table->defects.ToString(9),
              AllOf(HasSubstr("\"cow\""), HasSubstr("the box in 40 x 20"), HasSubstr("b.png"),
                    HasSubstr("c.txt")));
}

// A link to itself can be read as little as a file on a disk with errors.
TEST(RecordTable, WhatCannotBeReadNowIsNotADefect) {
  const configs::DatasetConfig config;
  ImageRecord whole = Record("a.png");
  whole.objects = {MakeRecord("cat", {1, 1, 5, 5})};
  ImageRecord loop = whole;
  loop.name = "loop.png";
  loop.path = absl::StrCat(testing::TempDir(), "/loop.png");
  std::filesystem::remove(loop.path);
  std::filesystem::create_symlink("loop.png", loop.path);
  RecordTable images(config, {});
  images.Add(whole);
  images.Add(loop);
  EXPECT_THAT(std::move(images).Finish("set"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(loop.path)));

  RecordTable annotations(config, {});
  annotations.Add(whole);
  annotations.DropUnreadable("b.txt", absl::PermissionDeniedError("cannot open b.txt"));
  EXPECT_THAT(std::move(annotations).Finish("set"),
              StatusIs(absl::StatusCode::kPermissionDenied, "cannot open b.txt"));

  RecordTable damaged(config, {});
  damaged.Add(whole);
  damaged.DropUnreadable("b.txt", absl::InvalidArgumentError("not valid JSON"));
  const auto table = std::move(damaged).Finish("set");
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->defects.count(DefectAction::kImageDropped), 1);
}

TEST(RecordTable, TakesTheClassesOfTheConfigFirst) {
  configs::DatasetConfig config;
  config.add_classes("dog");
  config.set_ignore_other_classes(true);
  RecordTable records(config, {"cat", "dog"});
  ImageRecord record = Record("a.png");
  record.objects = {MakeRecord("cat", {1, 1, 5, 5}), MakeRecord("dog", {1, 1, 5, 5})};
  records.Add(std::move(record));
  const auto table = std::move(records).Finish("set");
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->classes.names, ElementsAre("dog"));
  EXPECT_EQ(table->objects.size(), 1u);
  EXPECT_TRUE(table->defects.empty());
}

TEST(RecordTable, NothingLeftIsAnError) {
  const configs::DatasetConfig config;
  EXPECT_THAT(RecordTable(config, {"cat"}).Finish("set"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("set: no images are left")));
  RecordTable records(config, {});
  records.Add(Record("a.png"));
  EXPECT_THAT(std::move(records).Finish("set"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("none of the annotations of 1 image has one")));
  EXPECT_THAT(RecordTable(config, {"cat", "cat"}).Finish("set"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cat")));
}

}  // namespace
}  // namespace rcnn::data
