#include "rcnn/data/inspection/dataset_statistics.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Two cats and a difficult dog on one image, nothing on the other.
FileDataset TwoImages() {
  AnnotationTable table;
  table.classes = {{"cat", "dog", "cow"}, {1, 2, 3}};
  table.AddImage({});
  Object object;
  object.label = 1;
  object.xywh = {0, 0, 10, 40};  // size 20, aspect 0.25
  table.AddObject(object);
  object.xywh = {0, 0, 32, 32};
  table.AddObject(object);
  object.label = 2;
  object.difficult = true;
  object.xywh = {0, 0, 600, 500};
  table.AddObject(object);
  table.AddImage({});
  return FileDataset(table, {});
}

TEST(Histogram, PutsAnEdgeIntoTheUpperRange) {
  Histogram histogram({1, 2});
  for (double value : {0.5, 1.0, 1.5, 2.0, 7.0}) histogram.Add(value);
  EXPECT_THAT(histogram.counts, ElementsAre(1, 2, 2));
}

TEST(ComputeStatistics, CountsByClassSizeAndAspect) {
  const DatasetStatistics statistics = ComputeStatistics(TwoImages());
  EXPECT_EQ(statistics.images, 2);
  EXPECT_EQ(statistics.images_without_objects, 1);
  EXPECT_EQ(statistics.objects, 3);
  EXPECT_EQ(statistics.classes[0].objects, 2);
  EXPECT_EQ(statistics.classes[0].images, 1);
  EXPECT_EQ(statistics.classes[1].difficult, 1);
  EXPECT_EQ(statistics.classes[2].objects, 0);
  EXPECT_THAT(statistics.sizes.counts, ElementsAre(0, 0, 1, 1, 0, 0, 0, 0, 1));
  EXPECT_THAT(statistics.aspects.counts, ElementsAre(0, 1, 0, 2, 0, 0, 0));
  EXPECT_THAT(statistics.objects_per_image.counts, ElementsAre(1, 0, 1, 0, 0, 0, 0, 0));
}

TEST(ToString, NamesClassesAndRanges) {
  const FileDataset dataset = TwoImages();
  const std::string text = ToString(ComputeStatistics(dataset), dataset.classes());
  EXPECT_THAT(text,
              HasSubstr("cat                              2         1         0         0\n"));
  EXPECT_THAT(text, HasSubstr(">= 512         1 ####"));
  EXPECT_THAT(text, HasSubstr("0.8 to 1.25"));
}

TEST(ToString, EscapesNames) {
  const FileDataset dataset = TwoImages();
  const ClassList hostile = {{"\x1b[2J", "d\nog", "caf\xc3\xa9"}, {1, 2, 3}};
  const std::string text = ToString(ComputeStatistics(dataset), hostile);
  EXPECT_THAT(text, HasSubstr("\n\\x1b[2J                          2"));
  EXPECT_THAT(text, HasSubstr("\nd\\nog                            1"));
  EXPECT_THAT(text, HasSubstr("\ncaf\xc3\xa9                             0"));
}

TEST(ToString, ALongNameKeepsTheColumns) {
  const FileDataset dataset = TwoImages();
  const std::string name = "Ara" + std::string(90, 'a') + "uga";
  const std::string text = ToString(ComputeStatistics(dataset), {{name, "dog", "cow"}, {1, 2, 3}});
  EXPECT_THAT(text, StartsWith("class                                      objects"));
  EXPECT_THAT(text, HasSubstr("\nAraaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaauga         2"));
  EXPECT_THAT(text, HasSubstr("\ndog                                              1"));
}

// Forty characters of two columns each.
TEST(ToString, AWideNameKeepsTheColumns) {
  const FileDataset dataset = TwoImages();
  std::string name;
  for (int i = 0; i < 40; ++i) name += "\xe7\xba\xa2";
  const std::string text = ToString(ComputeStatistics(dataset), {{name, "dog", "cow"}, {1, 2, 3}});
  EXPECT_THAT(text, HasSubstr(name + "         2"));
  EXPECT_THAT(text, HasSubstr("\ndog" + std::string(77, ' ') + "         1"));
}

}  // namespace
}  // namespace rcnn::data
