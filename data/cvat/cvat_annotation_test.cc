#include "rcnn/data/cvat/cvat_annotation.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/most_records.h"

namespace rcnn::data {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

auto Near(double x, double y, double width, double height) {
  const double e = 1e-9;
  return ElementsAre(DoubleNear(x, e), DoubleNear(y, e), DoubleNear(width, e),
                     DoubleNear(height, e));
}

TEST(ParseCvat, TakesShapesAsBoxes) {
  const auto annotation = ParseCvat(R"(<?xml version="1.0" encoding="utf-8"?>
    <annotations><version>1.1</version>
      <meta><task><labels>
        <label><name>dog</name><color>#fff</color></label><label><name>cat</name></label>
      </labels></task></meta>
      <image id="0" name="train/a.jpg" subset="Train" width="64" height="48">
        <box label="cat" source="manual" occluded="0" xtl="10.50" ytl="20" xbr="30" ybr="40"
             z_order="0"><attribute name="x">1</attribute></box>
        <box label="cat" xtl="10" ytl="18" xbr="30" ybr="22" rotation="90.0"/>
        <polygon label="dog" points="1,2;9,3;4.5,8"/>
        <ellipse label="dog" cx="20" cy="20" rx="5" ry="3" rotation="0"/>
        <ellipse label="dog" cx="20" cy="20" rx="5" ry="3" rotation="90"/>
        <mask label="dog" rle="3, 1" left="2" top="3" width="4" height="5"/>
        <tag label="day"/>
      </image>
      <image id="1" name="b.jpg" width="64" height="48"></image>
    </annotations>)");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_THAT(annotation->labels, ElementsAre("dog", "cat"));
  ASSERT_THAT(annotation->images, SizeIs(2));
  const CvatImage& image = annotation->images[0];
  EXPECT_EQ(image.name, "train/a.jpg");
  EXPECT_EQ(image.subset, "Train");
  EXPECT_EQ(image.width, 64);
  EXPECT_EQ(image.height, 48);
  ASSERT_THAT(image.shapes, SizeIs(6));
  EXPECT_EQ(image.shapes[0].label, "cat");
  EXPECT_THAT(image.shapes[0].xywh, Near(10.5, 20, 19.5, 20));
  EXPECT_THAT(image.shapes[1].xywh, Near(18, 10, 4, 20));
  EXPECT_THAT(image.shapes[2].xywh, Near(1, 2, 8, 6));
  EXPECT_THAT(image.shapes[3].xywh, Near(15, 17, 10, 6));
  EXPECT_THAT(image.shapes[4].xywh, Near(17, 15, 6, 10));
  EXPECT_THAT(image.shapes[5].xywh, Near(2, 3, 4, 5));
  for (const CvatShape& shape : image.shapes) EXPECT_FALSE(shape.problem) << shape.text;
  EXPECT_THAT(annotation->images[1].shapes, SizeIs(0));
}

TEST(ParseCvat, ASizeThatIsNoneIsMissing) {
  for (const char* size : {"-64", "64px", "6.5", "1e9", "0", ""}) {
    const auto annotation = ParseCvat(absl::StrCat("<annotations><image name=\"a.jpg\" width=\"",
                                                   size, "\" height=\"48.0\"/></annotations>"));
    ASSERT_THAT(annotation, IsOk());
    ASSERT_THAT(annotation->images, SizeIs(1));
    EXPECT_EQ(annotation->images[0].width, 0) << size;
    EXPECT_EQ(annotation->images[0].height, 48) << size;
  }
}

TEST(ParseCvat, SaysWhatIsWrongWithAShape) {
  const auto annotation = ParseCvat(R"(<annotations><image name="a.jpg">
      <box label="cat" xtl="1" ytl="2" xbr="3"/>
      <box label="cat" xtl="1" ytl="2" xbr="3" ybr="nan"/>
      <box xtl="1" ytl="2" xbr="3" ybr="4"/>
      <polygon label="cat" points="1,2;3"/>
      <points label="cat" points="1,2"/>
      <polyline label="cat" points="1,2;3,4"/>
      <box label="cat" xtl="1" ytl="2" xbr="3" ybr="4" rotation="left"/>
      <ellipse label="cat" cx="9" cy="9" rx="5" ry="3" rotation="nan"/>
      <skeleton label="cat"><points label="nose" points="1,2"/></skeleton>
      <cuboid label="cat" xtl1="1"/></image></annotations>)");
  ASSERT_THAT(annotation, IsOk());
  const auto& shapes = annotation->images.at(0).shapes;
  ASSERT_THAT(shapes, SizeIs(10));
  EXPECT_EQ(shapes[0].problem, DefectKind::kMissingField);
  EXPECT_THAT(shapes[0].text, HasSubstr("ybr"));
  EXPECT_EQ(shapes[1].problem, DefectKind::kBadNumber);
  EXPECT_EQ(shapes[2].problem, DefectKind::kMissingField);
  EXPECT_EQ(shapes[3].problem, DefectKind::kBadNumber);
  EXPECT_EQ(shapes[4].problem, DefectKind::kZeroSize);
  EXPECT_EQ(shapes[5].problem, DefectKind::kZeroSize);
  EXPECT_EQ(shapes[6].problem, DefectKind::kBadNumber);
  EXPECT_THAT(shapes[6].text, HasSubstr("rotation = \"left\""));
  EXPECT_EQ(shapes[7].problem, DefectKind::kBadNumber);
  EXPECT_EQ(shapes[8].problem, DefectKind::kMissingField);
  EXPECT_THAT(shapes[8].text, HasSubstr("skeletons are not supported"));
  EXPECT_EQ(shapes[9].problem, DefectKind::kMissingField);
  EXPECT_THAT(shapes[9].text, HasSubstr("cuboids are not supported"));
}

TEST(ParseCvat, ReadsTheAttributeDifficult) {
  std::string shapes;
  for (const char* value : {"true", "True", "1", "false", "0", ""}) {
    absl::StrAppend(&shapes,
                    "<box label='cat' xtl='1' ytl='2' xbr='3' ybr='4'><attribute name='x'>1",
                    "</attribute><attribute name='difficult'>", value, "</attribute></box>");
  }
  const auto annotation = ParseCvat(
      absl::StrCat("<annotations><image name='a.jpg'>", shapes, "</image></annotations>"));
  ASSERT_THAT(annotation, IsOk());
  std::vector<bool> marks;
  for (const CvatShape& shape : annotation->images.at(0).shapes) marks.push_back(shape.difficult);
  EXPECT_THAT(marks, ElementsAre(true, true, true, false, false, false));
}

TEST(ParseCvat, ReadsTheEncodingThatTheXmlDeclares) {
  const auto annotation = ParseCvat(
      "<?xml version=\"1.0\" encoding=\"GBK\"?><annotations><image name=\"a.jpg\">"
      "<box label=\"\xc3\xa8\" xtl=\"1\" ytl=\"2\" xbr=\"3\" ybr=\"4\"/></image></annotations>");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->images.at(0).shapes.at(0).label, "\xe7\x8c\xab");
}

TEST(ParseCvat, RefusesWhatIsNotCvatForImages) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ParseCvat(""), StatusIs(code, HasSubstr("XML")));
  EXPECT_THAT(ParseCvat("<annotation/>"), StatusIs(code, HasSubstr("<annotations>")));
  EXPECT_THAT(ParseCvat("<annotations><track id=\"0\"/></annotations>"),
              StatusIs(code, HasSubstr("videos")));
  EXPECT_THAT(ParseCvat("<annotations><image name=\"a.jpg\"/><track id=\"0\"/></annotations>"),
              StatusIs(code, HasSubstr("videos")));
  EXPECT_THAT(ParseCvat("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
              StatusIs(code, HasSubstr("Git LFS")));
  EXPECT_THAT(ParseCvat("<!DOCTYPE a [<!ENTITY b \"c\">]><annotations/>"),
              StatusIs(code, HasSubstr("declarations")));
}

TEST(ParseCvat, MemoryIsBoundedByTheSizeOfTheFile) {
  const auto code = absl::StatusCode::kInvalidArgument;
  const auto repeated = [](const char* element, size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all += element;
    return all;
  };
  const auto images = [&](size_t count) {
    return absl::StrCat("<annotations>", repeated("<image/>", count), "</annotations>");
  };
  const auto shapes = [&](const char* shape, size_t count) {
    return absl::StrCat("<annotations><image>", repeated(shape, count), "</image></annotations>");
  };
  const size_t most_images = testing::MostRecords([&](size_t n) { return images(n).size(); });
  EXPECT_THAT(ParseCvat(images(most_images)), IsOk());
  EXPECT_THAT(ParseCvat(images(most_images + 1)), StatusIs(code, HasSubstr("too many images")));
  const size_t most_shapes =
      testing::MostRecords([&](size_t n) { return shapes("<box/>", n).size(); });
  EXPECT_THAT(ParseCvat(shapes("<box/>", most_shapes)), IsOk());
  EXPECT_THAT(ParseCvat(shapes("<box/>", most_shapes + 1)),
              StatusIs(code, HasSubstr("too many shapes")));
  const auto annotation =
      ParseCvat(shapes(R"(<box label="a" xtl="0" ytl="0" xbr="1" ybr="1"/>)", 3000));
  ASSERT_THAT(annotation, IsOk());
  EXPECT_THAT(annotation->images.at(0).shapes, SizeIs(3000));
}

}  // namespace
}  // namespace rcnn::data
