#include "rcnn/data/voc/voc_folder.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

class VocFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(folder_.status(), IsOk());
    for (const char* part : {"/Annotations", "/ImageSets/Main"}) {
      ASSERT_THAT(CreateDirectories(folder_.path() + part), IsOk());
    }
  }

  void Write(const std::string& file, absl::string_view bytes) {
    ASSERT_THAT(WriteFileAtomically(absl::StrCat(folder_.path(), "/", file), bytes), IsOk());
  }

  // An annotation of an image of 64 x 48 with one box.
  void WriteBox(const std::string& file, int xmin, int ymin, int xmax, int ymax) {
    Write(file, absl::StrCat("<annotation><size><width>64</width><height>48</height></size><object>"
                             "<name>cat</name><bndbox><xmin>",
                             xmin, "</xmin><ymin>", ymin, "</ymin><xmax>", xmax, "</xmax><ymax>",
                             ymax, "</ymax></bndbox></object></annotation>"));
  }

  std::string Annotations() const { return folder_.path() + "/Annotations"; }

  const TemporaryDirectory folder_{"voc_folder_test"};
};

TEST_F(VocFolderTest, AnnotationsAreTheXmlFilesByName) {
  for (const char* file : {"b.XML", "a.xml", "._a.xml", "a.txt", "c.d.xml"}) {
    Write(absl::StrCat("Annotations/", file), "");
  }
  EXPECT_THAT(
      ListVocAnnotations(Annotations()),
      IsOkAndHolds(ElementsAre(Pair("a", "a.xml"), Pair("b", "b.XML"), Pair("c.d", "c.d.xml"))));
  EXPECT_THAT(ListVocAnnotations(folder_.path() + "/none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("a VOC dataset has this folder")));
}

TEST_F(VocFolderTest, AnAnnotationLiesInTheFolder) {
  WriteBox("Annotations/a.xml", 1, 1, 64, 48);
  const auto annotation = ReadVocAnnotation(Annotations(), "a.xml");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_THAT(annotation->objects, SizeIs(1));
  EXPECT_THAT(ReadVocAnnotation(Annotations(), "../a.xml"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadVocAnnotation(Annotations(), "b.xml"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(VocFolderTest, AnnotatedNamesDecideWhatALineOfASplitNames) {
  Write("ImageSets/Main/train.txt", "b 1\na 0\n");
  const VocAnnotationFiles files = {{"a 0", "a 0.xml"}};
  EXPECT_THAT(ReadVocSplit(folder_.path(), "train", files), IsOkAndHolds(ElementsAre("b", "a 0")));
}

TEST_F(VocFolderTest, AMissingSplitIsAnErrorThatNamesTheOthers) {
  EXPECT_THAT(ReadVocSplit(folder_.path(), "test", {}),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("a VOC dataset has the lists of its splits in this folder")));
  Write("ImageSets/Main/train.txt", "a\n");
  Write("ImageSets/Main/empty.txt", "\n");
  EXPECT_THAT(ReadVocSplit(folder_.path(), "test", {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("; the lists there: empty, train")));
  EXPECT_THAT(ReadVocSplit(folder_.path(), "empty", {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("an empty list")));
  EXPECT_THAT(ReadVocSplit(folder_.path(), "../../x", {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(VocFolderTest, DamagedAnnotationsDoNotVote) {
  WriteBox("Annotations/a.xml", 0, 0, 63, 47);
  Write("Annotations/b.xml", "<annotation>");
  CoordinateVotes votes;
  EXPECT_THAT(CountVocCorners(Annotations(), votes), IsOk());
  EXPECT_EQ(votes.Recognise(), configs::ZERO_BASED_INCLUSIVE);
  EXPECT_THAT(votes.ToString(), HasSubstr("of 1 box"));
}

}  // namespace
}  // namespace rcnn::data
