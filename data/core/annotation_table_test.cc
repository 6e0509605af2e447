#include "rcnn/data/core/annotation_table.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Object ObjectWithId(int64_t id) {
  Object object;
  object.id = id;
  object.label = 1;
  object.xywh = {1, 2, 3, 4};
  return object;
}

ImageInfo ImageWithId(int64_t id) {
  ImageInfo info;
  info.id = id;
  info.name = "image";
  info.width = 10;
  info.height = 20;
  return info;
}

// Image 1 has an ordinary, a difficult and a crowd object (11, 12, 13),
// image 2 has none, image 3 only a difficult one (31).
AnnotationTable ThreeImages() {
  AnnotationTable table;
  table.classes = {{"cell"}, {1}};
  table.AddImage(ImageWithId(1));
  table.AddObject(ObjectWithId(11));
  table.AddObject(ObjectWithId(12));
  table.objects.back().difficult = true;
  table.AddObject(ObjectWithId(13));
  table.objects.back().crowd = true;
  table.AddImage(ImageWithId(2));
  table.AddImage(ImageWithId(3));
  table.AddObject(ObjectWithId(31));
  table.objects.back().difficult = true;
  return table;
}

std::vector<int64_t> ObjectIds(const AnnotationTable& table, int64_t image) {
  std::vector<int64_t> ids;
  for (const Object& object : table.objects_of(image)) ids.push_back(object.id);
  return ids;
}

TEST(AnnotationTable, KeepsObjectsByImage) {
  const AnnotationTable table = ThreeImages();
  EXPECT_EQ(table.num_images(), 3);
  EXPECT_EQ(ObjectIds(table, 0), (std::vector<int64_t>{11, 12, 13}));
  EXPECT_EQ(ObjectIds(table, 1), std::vector<int64_t>());
  EXPECT_EQ(ObjectIds(table, 2), (std::vector<int64_t>{31}));
}

TEST(FinishTable, KeepsEverythingByDefault) {
  AnnotationTable table = ThreeImages();
  ASSERT_THAT(FinishTable({}, "set", table), IsOk());
  EXPECT_EQ(ComputeFingerprint(table), ComputeFingerprint(ThreeImages()));
}

TEST(FinishTable, LeavesOutMarkedObjects) {
  AnnotationTable table = ThreeImages();
  configs::DatasetConfig config;
  config.set_difficult(configs::LEAVE_OUT);
  ASSERT_THAT(FinishTable(config, "set", table), IsOk());
  EXPECT_EQ(ObjectIds(table, 0), (std::vector<int64_t>{11, 13}));
  EXPECT_EQ(ObjectIds(table, 2), std::vector<int64_t>());
}

TEST(FinishTable, DropsMarks) {
  AnnotationTable table = ThreeImages();
  configs::DatasetConfig config;
  config.set_crowd(configs::DROP_MARK);
  ASSERT_THAT(FinishTable(config, "set", table), IsOk());
  EXPECT_FALSE(table.objects_of(0)[2].crowd);
  EXPECT_TRUE(table.objects_of(0)[1].difficult);
}

TEST(FinishTable, LeavesOutEmptyImages) {
  AnnotationTable table = ThreeImages();
  configs::DatasetConfig config;
  config.set_difficult(configs::LEAVE_OUT);
  config.set_leave_out_empty_images(true);
  ASSERT_THAT(FinishTable(config, "set", table), IsOk());
  ASSERT_EQ(table.num_images(), 1);
  EXPECT_EQ(ObjectIds(table, 0), (std::vector<int64_t>{11, 13}));
}

TEST(FinishTable, ThePolicyErrorListsTheDefects) {
  AnnotationTable table = ThreeImages();
  table.defects.Add(
      {"a.xml", 4, DefectKind::kZeroSize, "(1, 1, 1, 1)", DefectAction::kObjectDropped});
  configs::DatasetConfig config;
  config.set_defect_policy(configs::ERROR);
  const absl::Status status = FinishTable(config, "set", table);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("a.xml: object 4: zero size: (1, 1, 1, 1)")));
}

TEST(FinishTable, NoImagesLeftIsAnError) {
  AnnotationTable table;
  EXPECT_THAT(FinishTable({}, "set", table),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the annotations name none")));
  table.defects.Add(
      {"a.json", -1, DefectKind::kUndecidedOrientation, "half turn", DefectAction::kImageDropped});
  EXPECT_THAT(FinishTable({}, "set", table),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("no images are left; 1 defect\n"),
                             HasSubstr("--exif_orientation=applied"),
                             HasSubstr("exif_orientation: APPLIED if they are"))));
  configs::DatasetConfig strict;
  strict.set_defect_policy(configs::ERROR);
  EXPECT_THAT(FinishTable(strict, "set", table),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("the policy is ERROR"), HasSubstr("half turn"),
                             HasSubstr("--exif_orientation=applied"))));
}

TEST(ComputeFingerprint, DependsOnEveryPartAndNotOnPaths) {
  const std::string fingerprint = ComputeFingerprint(ThreeImages());
  AnnotationTable moved = ThreeImages();
  moved.images[0].path = "/elsewhere/image.jpg";
  EXPECT_EQ(ComputeFingerprint(moved), fingerprint);

  std::vector<AnnotationTable> others(8, ThreeImages());
  others[0].classes.names[0] = "Cell";
  others[1].classes.category_ids[0] = 2;
  others[2].images[1].name = "other";
  others[3].images[1].width = 11;
  others[4].objects[0].xywh[2] += 1e-9;
  others[5].objects[0].label = 2;
  others[6].objects[0].difficult = true;
  others[7].inclusive_boxes = true;
  for (const AnnotationTable& other : others) EXPECT_NE(ComputeFingerprint(other), fingerprint);
}

TEST(ComputeFingerprint, DependsOnTheImageOfAnObject) {
  AnnotationTable table = ThreeImages();
  --table.first_object[1];  // object 13 now belongs to image 2
  EXPECT_NE(ComputeFingerprint(table), ComputeFingerprint(ThreeImages()));
}

}  // namespace
}  // namespace rcnn::data
