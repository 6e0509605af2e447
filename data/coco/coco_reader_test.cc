#include "rcnn/data/coco/coco_reader.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

configs::DatasetConfig Config(const std::string& text) {
  return configs::ParseTextOrDie<configs::DatasetConfig>("coco {} " + text);
}

CocoAnnotation Annotation(int64_t id, int64_t image_id, int64_t category_id,
                          std::array<double, 4> bbox) {
  CocoAnnotation annotation;
  annotation.id = id;
  annotation.image_id = image_id;
  annotation.category_id = category_id;
  annotation.bbox = bbox;
  annotation.area = 5;
  return annotation;
}

// Categories with gaps and out of order, images of 100 x 50, the second one
// without objects, annotations not sorted by image.
CocoInstances Instances() {
  CocoInstances instances;
  instances.categories = {{90, "toothbrush"}, {1, "person"}, {0, "kite"}};
  instances.images = {{7, "b.jpg", 100, 50}, {3, "c.jpg", 100, 50}, {0, "a.jpg", 100, 50}};
  instances.annotations = {
      Annotation(11, 0, 90, {0.1, 0.3, 0.2, 0.7}),
      Annotation(0, 7, 1, {10, 10, 5, 5}),
      Annotation(13, 0, 0, {20, 10, 5, 5}),
      Annotation(14, 7, 90, {30, 10, 5, 5}),
  };
  return instances;
}

absl::StatusOr<AnnotationTable> Make(const CocoInstances& instances, const std::string& config = "",
                                     const std::string& folder = "",
                                     const CocoReadOptions& options = {}) {
  return MakeCocoTable(Config(config), instances, "instances.json", folder, options);
}

// The only defect after `change`, as a line.
template <typename Change>
std::string DefectAfter(Change change, const std::string& config = "") {
  CocoInstances instances = Instances();
  change(instances);
  absl::StatusOr<AnnotationTable> table = Make(instances, config);
  EXPECT_THAT(table, IsOk());
  if (!table.ok()) return "";
  EXPECT_EQ(table->defects.total(), 1);
  return table->defects.ToString(5);
}

TEST(MakeCocoTable, LabelsByCategoryIdDespiteGaps) {
  absl::StatusOr<AnnotationTable> table = Make(Instances());
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->classes.names, ElementsAre("kite", "person", "toothbrush"));
  EXPECT_THAT(table->classes.category_ids, ElementsAre(0, 1, 90));
  EXPECT_EQ(table->objects_of(0)[0].label, 2);
  EXPECT_EQ(table->objects_of(0)[1].label, 3);
}

TEST(MakeCocoTable, KeepsTheOrderOfImagesAndOfTheirObjects) {
  absl::StatusOr<AnnotationTable> table = Make(Instances());
  ASSERT_THAT(table, IsOk());
  ASSERT_EQ(table->num_images(), 3);
  EXPECT_EQ(table->images[0].id, 7);
  EXPECT_EQ(table->images[2].name, "a.jpg");
  ASSERT_EQ(table->objects_of(0).size(), 2u);
  EXPECT_EQ(table->objects_of(0)[0].id, 0);
  EXPECT_EQ(table->objects_of(0)[1].id, 14);
  EXPECT_TRUE(table->objects_of(1).empty());
  EXPECT_EQ(table->objects_of(2)[1].id, 13);
}

TEST(MakeCocoTable, KeepsTheBitsOfBoxesAndAreas) {
  absl::StatusOr<AnnotationTable> table = Make(Instances());
  const Object& object = table->objects_of(2)[0];
  EXPECT_THAT(object.xywh, ElementsAre(0.1, 0.3, 0.2, 0.7));
  EXPECT_EQ(object.area, 5);
  EXPECT_FLOAT_EQ(object.box.x2, 0.3f);
}

TEST(MakeCocoTable, FollowsTheClassesOfTheConfig) {
  absl::StatusOr<AnnotationTable> table =
      Make(Instances(), "classes: ['toothbrush', 'person'] ignore_other_classes: true");
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->classes.category_ids, ElementsAre(90, 1));
  EXPECT_EQ(table->objects.size(), 3u);
  EXPECT_EQ(table->objects_of(2)[0].label, 1);
  EXPECT_TRUE(table->defects.empty());
}

TEST(MakeCocoTable, NamesTheRecordOfEveryDefect) {
  EXPECT_THAT(
      DefectAfter([](CocoInstances& i) {
        i.annotations[1].bbox = {10, 10, 0, 5};
      }),
      HasSubstr(
          "instances.json: object 1: zero size: id 0: [10, 10, 0, 5] in 100 x 50: object dropped"));
  EXPECT_THAT(DefectAfter([](CocoInstances& i) { i.annotations[2].image_id = 99; }),
              HasSubstr("object 2: unknown image: id 13: image_id 99"));
  EXPECT_THAT(DefectAfter([](CocoInstances& i) { i.annotations[3].category_id = 2; }),
              HasSubstr("object 3: unknown class: id 14: category_id 2"));
  EXPECT_THAT(DefectAfter([](CocoInstances& i) {
                i.annotations[3].problem = {"bbox", DefectKind::kBadNumber};
              }),
              HasSubstr("object 3: bad number: id 14: bbox"));
  EXPECT_THAT(DefectAfter([](CocoInstances& i) { i.annotations[0].area = -1; }),
              HasSubstr("object 0: missing area: id 11: width * height = 0.14: kept"));
  EXPECT_THAT(
      DefectAfter(
          [](CocoInstances& i) {
            i.annotations[0].bbox = {90, 0, 20, 5};
          },
          "defect_policy: CLIP"),
      HasSubstr("object 0: partly outside the image: id 11: [90, 0, 20, 5] in 100 x 50: clipped"));
  EXPECT_THAT(DefectAfter([](CocoInstances& i) { i.images[1].width = 0; }),
              HasSubstr("c.jpg: missing field: width, height: image dropped"));
  EXPECT_THAT(DefectAfter([](CocoInstances& i) { i.images[1].file_name = "../../etc/passwd"; }),
              HasSubstr("unsafe file name: ../../etc/passwd"));
  EXPECT_THAT(
      DefectAfter([](CocoInstances& i) { i.images[1].file_name = std::string("a\0.jpg", 6); }),
      HasSubstr("unsafe file name: a\\x00.jpg"));
}

TEST(MakeCocoTable, DroppedImageDropsItsObjects) {
  CocoInstances instances = Instances();
  instances.images[0].height = -1;
  absl::StatusOr<AnnotationTable> table = Make(instances);
  ASSERT_THAT(table, IsOk());
  EXPECT_EQ(table->num_images(), 2);
  EXPECT_EQ(table->objects.size(), 2u);
  EXPECT_EQ(table->objects_of(1)[1].id, 13);
}

TEST(MakeCocoTable, KeepsCrowdsWithTheirMark) {
  CocoInstances instances = Instances();
  instances.annotations[0].iscrowd = true;
  EXPECT_TRUE(Make(instances)->objects_of(2)[0].crowd);
  EXPECT_EQ(Make(instances, "crowd: LEAVE_OUT")->objects.size(), 3u);
}

TEST(MakeCocoTable, MergesTwoRecordsOfOneFile) {
  CocoInstances instances = Instances();
  instances.images[2].file_name = "./b.jpg";  // as images[0]
  const absl::StatusOr<AnnotationTable> table = Make(instances);
  ASSERT_THAT(table, IsOk());
  ASSERT_EQ(table->num_images(), 2);
  EXPECT_EQ(table->images[0].id, 7);
  std::vector<int64_t> ids;
  for (const Object& object : table->objects_of(0)) ids.push_back(object.id);
  EXPECT_THAT(ids, ElementsAre(11, 0, 13, 14));
  EXPECT_THAT(table->defects.notices(), ElementsAre(HasSubstr("ids 7 and 0")));
}

TEST(MakeCocoTable, FractionsAreAnErrorThatNamesTheFieldAndTheFieldConverts) {
  CocoInstances instances = Instances();
  instances.annotations = {Annotation(1, 7, 1, {0.25, 0.5, 0.5, 0.25}),
                           Annotation(2, 3, 1, {0, 0, 1, 1})};
  EXPECT_THAT(Make(instances),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("all 2 boxes"), HasSubstr("box_units: FRACTIONS"))));
  const auto pixels = Make(instances, "box_units: PIXELS");
  ASSERT_THAT(pixels, IsOk());
  EXPECT_THAT(pixels->objects_of(1)[0].xywh, ElementsAre(0, 0, 1, 1));
  const auto table = Make(instances, "box_units: FRACTIONS");
  ASSERT_THAT(table, IsOk());
  EXPECT_THAT(table->objects_of(0)[0].xywh, ElementsAre(25, 25, 50, 12.5));
  EXPECT_EQ(table->objects_of(0)[0].area, 50 * 12.5);
  EXPECT_THAT(table->objects_of(1)[0].xywh, ElementsAre(0, 0, 100, 50));
}

TEST(MakeCocoTable, ShowsTheValueOfABadField) {
  CocoInstances instances = Instances();
  instances.annotations[3].problem = {"bbox", DefectKind::kBadNumber};
  instances.bad_values[3] = "[1, NaN, 3, 4]";
  EXPECT_THAT(Make(instances)->defects.ToString(5),
              HasSubstr("object 3: bad number: id 14: bbox = [1, NaN, 3, 4]: object dropped"));
}

}  // namespace
}  // namespace rcnn::data
