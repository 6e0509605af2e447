#include "rcnn/data/voc/voc_annotation.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/testing/most_records.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kBox[] =
    "<bndbox><xmax>40</xmax><ymin> 20 </ymin><xmin>10.5</xmin><ymax>50</ymax></bndbox>";

std::string WithObject(absl::string_view object) {
  return absl::StrCat("<annotation><object>", object, "</object></annotation>");
}

VocObject ParseObject(absl::string_view object) {
  absl::StatusOr<VocAnnotation> annotation = ParseVocAnnotation(WithObject(object));
  EXPECT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->objects.size(), 1u);
  return annotation->objects.at(0);
}

void ExpectProblem(absl::string_view object, DefectKind kind, const std::string& value) {
  const VocObject parsed = ParseObject(object);
  EXPECT_EQ(parsed.problem, kind) << object;
  EXPECT_THAT(parsed.problem_value, HasSubstr(value));
}

void ExpectError(absl::string_view bytes, const std::string& message) {
  const absl::Status status = ParseVocAnnotation(bytes).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(ParseVocAnnotation, ReadsTheFieldsInAnyOrder) {
  absl::StatusOr<VocAnnotation> annotation = ParseVocAnnotation(absl::StrCat(
      "<?xml version='1.0'?><annotation><object><difficult>1</difficult>", kBox,
      "<name> hot dog\n</name></object><size><height>480</height><width>640</width></size>"
      "<filename>a.jpg</filename></annotation>"));
  ASSERT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->file_name, "a.jpg");
  EXPECT_EQ(annotation->width, 640);
  EXPECT_EQ(annotation->height, 480);
  ASSERT_EQ(annotation->objects.size(), 1u);
  const VocObject& object = annotation->objects[0];
  EXPECT_EQ(object.name, "hot dog");
  EXPECT_THAT(object.corners, ElementsAre(10.5, 20, 40, 50));
  EXPECT_TRUE(object.difficult);
  EXPECT_EQ(object.problem, std::nullopt);
}

TEST(ParseVocAnnotation, PartsOfAPersonAreNotObjects) {
  const VocObject object = ParseObject(absl::StrCat(
      "<name>person</name><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>", kBox));
  EXPECT_EQ(object.name, "person");
  EXPECT_EQ(object.problem, std::nullopt);
}

TEST(ParseVocAnnotation, NamesTheFirstProblemOfAnObject) {
  ExpectProblem(kBox, DefectKind::kMissingField, "name");
  ExpectProblem("<name>a</name>", DefectKind::kMissingField, "bndbox");
  ExpectProblem("<name>a</name><bndbox><xmin>1</xmin><ymin>1</ymin><ymax>2</ymax></bndbox>",
                DefectKind::kMissingField, "bndbox/xmax");
  for (const char* number : {"", "abc", "1e400", "nan", "inf", "12px", "0x", "1,5"}) {
    ExpectProblem(absl::StrCat("<name>a</name><bndbox><xmin>", number,
                               "</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"),
                  DefectKind::kBadNumber, absl::StrCat("xmin = \"", number, "\""));
  }
}

TEST(ParseVocAnnotation, CommentsDoNotCutTexts) {
  const VocObject object = ParseObject(
      "<name>fire<!-- red --> truck</name><bndbox><xmin>1<!-- x -->1</xmin><ymin>2</ymin>"
      "<xmax>30</xmax><ymax>40</ymax></bndbox>");
  EXPECT_EQ(object.name, "fire truck");
  EXPECT_EQ(object.problem, std::nullopt);
  EXPECT_EQ(object.corners[0], 11);
}

// The objects of the second would be lost.
TEST(ParseVocAnnotation, RejectsSeveralAnnotationsInOneFile) {
  const std::string one = WithObject(absl::StrCat("<name>a</name>", kBox));
  ExpectError(one + one, "several documents in one file");
}

TEST(ParseVocAnnotation, KeepsTheTextOfABadSize) {
  absl::StatusOr<VocAnnotation> annotation = ParseVocAnnotation(
      "<annotation><size><width>-640</width><height>1e400</height></size></annotation>");
  ASSERT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->width, 0);
  EXPECT_EQ(annotation->height, 0);
  EXPECT_EQ(annotation->size_text, "-640 x 1e400");
}

TEST(ParseVocAnnotation, RejectsOtherXml) {
  ExpectError("", "not valid XML");
  ExpectError("<annotation>", "not valid XML");
  ExpectError("<annotation><object></annotation>", "not valid XML");
  ExpectError("{\"images\": []}", "not valid XML");
  ExpectError("<html></html>", "no <annotation>");
}

TEST(ParseVocAnnotation, RejectsDeclaredEntities) {
  std::string bomb = "<!DOCTYPE annotation [<!ENTITY l0 'lol'>";
  for (int i = 1; i < 10; ++i) {
    absl::StrAppend(&bomb, "<!ENTITY l", i, " '");
    for (int k = 0; k < 10; ++k) absl::StrAppend(&bomb, "&l", i - 1, ";");
    absl::StrAppend(&bomb, "'>");
  }
  ExpectError(bomb + "]><annotation><object><name>&l9;</name></object></annotation>",
              "document type");
}

TEST(ParseVocAnnotation, SurvivesDeepNesting) {
  std::string open;
  std::string close;
  for (int i = 0; i < 100000; ++i) {
    open += "<object>";
    close += "</object>";
  }
  absl::StatusOr<VocAnnotation> annotation =
      ParseVocAnnotation(absl::StrCat("<annotation>", open, close, "</annotation>"));
  ASSERT_THAT(annotation, IsOk());
  EXPECT_EQ(annotation->objects.size(), 1u);
  EXPECT_EQ(annotation->objects[0].problem, DefectKind::kMissingField);
  ExpectError(absl::StrCat("<annotation>", open), "not valid XML");
}

TEST(ParseVocAnnotation, NulBytesDoNotHideWhatFollows) {
  const std::string bytes = WithObject("<name>a" + std::string(1, '\0') + "b</name>");
  absl::StatusOr<VocAnnotation> annotation = ParseVocAnnotation(bytes);
  EXPECT_TRUE(!annotation.ok() || annotation->objects.size() == 1);
}

TEST(ParseVocAnnotation, EveryPrefixIsAnError) {
  const std::string whole = WithObject(absl::StrCat("<name>a</name>", kBox));
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(ParseVocAnnotation(whole.substr(0, length)), ::testing::Not(IsOk())) << length;
  }
  EXPECT_THAT(ParseVocAnnotation(whole), IsOk());
}

TEST(ParseVocAnnotation, SeveralBoxesOfAnObjectAreSeveralObjects) {
  const auto annotation = ParseVocAnnotation(WithObject(
      absl::StrCat("<name>cat</name><difficult>1</difficult>", kBox,
                   "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>",
                   "<bndbox><xmin>1</xmin></bndbox>")));
  ASSERT_THAT(annotation, IsOk());
  ASSERT_EQ(annotation->objects.size(), 3u);
  EXPECT_THAT(annotation->objects[0].corners, ElementsAre(10.5, 20, 40, 50));
  EXPECT_THAT(annotation->objects[1].corners, ElementsAre(1, 2, 3, 4));
  for (const VocObject& object : annotation->objects) {
    EXPECT_EQ(object.name, "cat");
    EXPECT_TRUE(object.difficult);
  }
  EXPECT_EQ(annotation->objects[1].problem, std::nullopt);
  EXPECT_EQ(annotation->objects[2].problem, DefectKind::kMissingField);
}

TEST(ParseVocAnnotation, DifficultMayBeAWord) {
  for (const char* word : {"1", "True", "true", "TRUE", "yes", " 1 "}) {
    EXPECT_TRUE(ParseObject(absl::StrCat("<name>a</name><difficult>", word, "</difficult>", kBox))
                    .difficult)
        << word;
  }
  for (const char* word : {"0", "False", "false", "no", "", "Unspecified"}) {
    EXPECT_FALSE(ParseObject(absl::StrCat("<name>a</name><difficult>", word, "</difficult>", kBox))
                     .difficult)
        << word;
  }
}

std::string NameIn(const std::string& declaration, const std::string& name) {
  const auto annotation = ParseVocAnnotation(absl::StrCat(
      declaration, "<annotation><object><name>", name, "</name>", kBox, "</object></annotation>"));
  EXPECT_THAT(annotation, IsOk()) << declaration;
  return annotation.ok() ? annotation->objects.at(0).name : "";
}

TEST(ParseVocAnnotation, DecodesTheEncodingThatTheXmlDeclares) {
  // U+732B, Chinese for cat.
  const std::string cat = "\xe7\x8c\xab";
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"GBK\"?>", "\xc3\xa8"), cat);
  EXPECT_EQ(NameIn("<?xml version='1.0' encoding='gb2312' standalone='yes'?>", "\xc3\xa8"), cat);
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"Big5\"?>", "\xbf\xdf"),
            "\xe8\xb2\x93");  // U+8C93, the traditional form
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"utf-8\"?>", cat), cat);
  EXPECT_EQ(NameIn("", cat), cat);
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>", "gr\xfcn"), "gr\xc3\xbcn");
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"latin1\"?>", "gr\xfcn"), "gr\xc3\xbcn");
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"windows-1252\"?>", "5 \x80"),
            "5 \xe2\x82\xac");
  // An editor that saves as UTF-8 may leave the old declaration.
  EXPECT_EQ(NameIn("<?xml version=\"1.0\" encoding=\"UTF-16\"?>", cat), cat);
}

TEST(ParseVocAnnotation, DecodesUtf16) {
  const std::string text = absl::StrCat("<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
                                        WithObject(absl::StrCat("<name>cat</name>", kBox)));
  for (const bool big_endian : {false, true}) {
    for (const bool mark : {false, true}) {
      const auto annotation = ParseVocAnnotation(Utf16(text, {big_endian, mark}));
      ASSERT_THAT(annotation, IsOk()) << big_endian << mark;
      EXPECT_EQ(annotation->objects.at(0).name, "cat");
    }
  }
}

TEST(ParseVocAnnotation, NamesAnEncodingThatDoesNotFit) {
  ExpectError("<?xml version=\"1.0\" encoding=\"klingon\"?><annotation/>",
              "the encoding that the XML declares: unknown encoding \"KLINGON\"");
  ExpectError("<?xml version=\"1.0\" encoding=\"GBK\"?><annotation>\xff</annotation>",
              "is not valid GBK");
  ExpectError("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
              "Git LFS pointer");
}

TEST(ParseVocAnnotation, MemoryIsBoundedByTheSizeOfTheFile) {
  const auto repeated = [](absl::string_view text, size_t times) {
    std::string all;
    for (size_t i = 0; i < times; ++i) absl::StrAppend(&all, text);
    return all;
  };
  const auto objects = [&](size_t count) {
    return absl::StrCat("<annotation>", repeated("<object/>", count), "</annotation>");
  };
  const size_t most = testing::MostRecords([&](size_t n) { return objects(n).size(); });
  EXPECT_THAT(ParseVocAnnotation(objects(most)), IsOk());
  ExpectError(objects(most + 1), "too many objects for a file of ");
  ExpectError(objects(5000), "too many objects for a file of 45025 bytes");
  const std::string long_name = absl::StrCat("<name>", std::string(10'000, 'n'), "</name>");
  ExpectError(WithObject(absl::StrCat(long_name, repeated("<bndbox/>", 100))),
              "one long name has many boxes");
  const std::string boxes = absl::StrCat("<name>cat</name>", repeated(kBox, 5000));
  const absl::StatusOr<VocAnnotation> useful = ParseVocAnnotation(WithObject(boxes));
  ASSERT_THAT(useful, IsOk());
  EXPECT_EQ(useful->objects.size(), 5000u);
}

}  // namespace
}  // namespace rcnn::data
