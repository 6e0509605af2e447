#include "rcnn/eval/html/example_figure.h"

#include <cstring>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::shared_ptr<const data::Image> GrayImage(int64_t height, int64_t width) {
  auto image = std::make_shared<data::Image>(height, width);
  std::memset(image->data(), 128, static_cast<size_t>(image->size_bytes()));
  return image;
}

ExampleFigure SampleFigure() {
  ExampleFigure figure;
  figure.boxes = {{{100, 100, 50, 50}, "e1"}};
  figure.focus = {{100, 100, 50, 50}};
  figure.heading = "<bdi>cat</bdi> 0.93";
  figure.text = "badly placed.";
  figure.file = "<img src=x>.jpg";
  figure.data = {{"class", "\"><script>"}};
  return figure;
}

TEST(ChoosePartTest, ShowsTheBoxAndAsMuchAroundIt) {
  const XywhBox part = ChoosePart({{300, 300, 100, 100}}, 1000, 1000);
  EXPECT_DOUBLE_EQ(part.width / part.height, 4.0 / 3);
  EXPECT_DOUBLE_EQ(part.x + part.width / 2, 350);
  EXPECT_DOUBLE_EQ(part.y + part.height / 2, 350);
  EXPECT_GE(part.height, 190);
}

TEST(ChoosePartTest, StaysInTheImageWhereItFits) {
  const XywhBox corner = ChoosePart({{0, 0, 40, 40}}, 1000, 1000);
  EXPECT_EQ(corner.x, 0);
  EXPECT_EQ(corner.y, 0);
  const XywhBox far = ChoosePart({{960, 960, 40, 40}}, 1000, 1000);
  EXPECT_DOUBLE_EQ(far.x + far.width, 1000);
  EXPECT_DOUBLE_EQ(far.y + far.height, 1000);
}

TEST(ChoosePartTest, IsCentredOnAnImageThatIsTooNarrow) {
  const XywhBox part = ChoosePart({{0, 0, 50, 800}}, 50, 800);
  EXPECT_LT(part.x, 0);
  EXPECT_DOUBLE_EQ(part.x + part.width / 2, 25);
}

TEST(DrawFiguresTest, EscapesTheFileAndHoldsTheImage) {
  UnreadableImages unreadable;
  const auto html = DrawFigures(
      {SampleFigure()}, [](int64_t) { return GrayImage(400, 400); }, 1, &unreadable);
  ASSERT_EQ(html.size(), 1u);
  EXPECT_THAT(html[0], HasSubstr("href=\"data:image/jpeg;base64,"));
  EXPECT_THAT(html[0],
              HasSubstr("<figcaption><b><bdi>cat</bdi> 0.93</b> badly placed.<span class=\"file\">"
                        "<bdi>&lt;img src=x&gt;.jpg</bdi></span></figcaption>"));
  EXPECT_THAT(html[0], HasSubstr("aria-label=\"&lt;img src=x&gt;.jpg\""));
  EXPECT_THAT(html[0], HasSubstr("data-class=\"&quot;&gt;&lt;script&gt;\""));
  EXPECT_THAT(html[0], Not(HasSubstr("<script")));
  EXPECT_THAT(html[0], Not(HasSubstr("<img")));
  EXPECT_THAT(html[0], HasSubstr("class=\"box e1\""));
  EXPECT_EQ(unreadable.count, 0);
}

TEST(DrawFiguresTest, LoadsAnImageOnceAndSaysWhichCannotBeRead) {
  int loads = 0;
  UnreadableImages unreadable;
  std::vector<ExampleFigure> figures(3, SampleFigure());
  figures[2].image = 1;
  const auto html = DrawFigures(
      figures,
      [&](int64_t image) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
        ++loads;
        if (image == 1) return absl::NotFoundError("missing file: b.jpg");
        return GrayImage(300, 300);
      },
      1, &unreadable);
  EXPECT_EQ(loads, 2);
  EXPECT_EQ(unreadable.count, 1);
  EXPECT_THAT(unreadable.first, StatusIs(absl::StatusCode::kNotFound, "missing file: b.jpg"));
  EXPECT_THAT(html[0], HasSubstr("<image"));
  EXPECT_THAT(html[2], Not(HasSubstr("<image")));
  EXPECT_THAT(html[2], HasSubstr("class=\"box e1\""));
}

TEST(DrawFiguresTest, KeepsTheErrorOfAnImageThatCannotBeReadNow) {
  UnreadableImages unreadable;
  std::vector<ExampleFigure> figures(2, SampleFigure());
  figures[1].image = 1;
  DrawFigures(
      figures,
      [&](int64_t image) -> absl::StatusOr<std::shared_ptr<const data::Image>> {
        if (image == 0) return absl::NotFoundError("missing file: a.jpg");
        return absl::UnavailableError("cannot read b.jpg");
      },
      1, &unreadable);
  EXPECT_EQ(unreadable.count, 2);
  EXPECT_THAT(unreadable.first, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(unreadable.now, StatusIs(absl::StatusCode::kUnavailable, "cannot read b.jpg"));
}

TEST(DrawFiguresTest, DrawsBoxesWithoutImages) {
  UnreadableImages unreadable;
  const auto html = DrawFigures({SampleFigure()}, nullptr, 1, &unreadable);
  EXPECT_THAT(html[0], HasSubstr("class=\"ground\""));
  EXPECT_EQ(unreadable.count, 0);
}

// SVG has none, and a browser reports it on the console.
TEST(DrawFiguresTest, ABoxOfNegativeSizeIsNotDrawn) {
  UnreadableImages unreadable;
  ExampleFigure figure = SampleFigure();
  figure.boxes.push_back({{130, 100, -10, 20}, "other"});
  figure.boxes.push_back({{100, 130, 20, -10}, "gt"});
  const auto html = DrawFigures({figure}, nullptr, 1, &unreadable);
  EXPECT_THAT(html[0], Not(HasSubstr("box other")));
  EXPECT_THAT(html[0], Not(HasSubstr("box gt")));
  EXPECT_THAT(html[0], HasSubstr("box e1"));
}

TEST(DrawFiguresTest, ABoxOutsideOfThePartIsNotDrawn) {
  UnreadableImages unreadable;
  ExampleFigure figure = SampleFigure();
  figure.boxes.push_back({{5000, 5000, 10, 10}, "other"});
  const auto html = DrawFigures({figure}, nullptr, 1, &unreadable);
  EXPECT_THAT(html[0], Not(HasSubstr("box other")));
}

}  // namespace
}  // namespace rcnn::eval
