#include "rcnn/data/coco/coco_instances.h"

#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/testing/most_records.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kWhole[] = R"({
  "info": {"year": 2017, "contributor": "a \"name\""}, "licenses": [{"id": 1}],
  "annotations": [
    {"id": 0, "image_id": 42, "category_id": 90, "bbox": [1.5, 2, 3.25, 4e0], "area": 7.5,
     "iscrowd": 0, "segmentation": [[1, 2, 3.5, 4, 5, 6]]},
    {"segmentation": {"counts": [1, 2, 3], "size": [4, 5]}, "iscrowd": 1, "bbox": [0, 0, 9, 9],
     "category_id": 1.0, "image_id": 0, "id": 17, "attributes": {"deep": [[{}]]}}
  ],
  "images": [{"id": 42, "file_name": "a.jpg", "width": 640, "height": 480, "license": 1},
             {"id": 0, "file_name": "\u00e9.png"}],
  "categories": [{"id": 90, "name": "toothbrush", "supercategory": "indoor"}, {"id": 1, "name": "person"}]
})";

std::string Annotations(absl::string_view annotations) {
  return absl::StrCat(R"({"images": [], "categories": [], "annotations": [)", annotations, "]}");
}

CocoAnnotation Only(absl::string_view annotation) {
  absl::StatusOr<CocoInstances> instances = ParseCocoInstances(Annotations(annotation));
  EXPECT_THAT(instances, IsOk()) << " of " << annotation;
  if (!instances.ok() || instances->annotations.size() != 1) return {};
  return instances->annotations[0];
}

void ExpectError(absl::string_view bytes, const std::string& message) {
  const absl::Status status = ParseCocoInstances(bytes).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(ParseCocoInstances, ReadsSectionsAndFieldsInAnyOrder) {
  absl::StatusOr<CocoInstances> instances = ParseCocoInstances(kWhole);
  ASSERT_THAT(instances, IsOk());
  ASSERT_EQ(instances->annotations.size(), 2u);
  const CocoAnnotation& first = instances->annotations[0];
  EXPECT_EQ(first.id, 0);
  EXPECT_EQ(first.image_id, 42);
  EXPECT_EQ(first.category_id, 90);
  EXPECT_THAT(first.bbox, ElementsAre(1.5, 2, 3.25, 4));
  EXPECT_EQ(first.area, 7.5);
  EXPECT_FALSE(first.iscrowd);
  EXPECT_FALSE(first.problem.found());
  const CocoAnnotation& second = instances->annotations[1];
  EXPECT_EQ(second.id, 17);
  EXPECT_EQ(second.category_id, 1);
  EXPECT_TRUE(second.iscrowd);
  EXPECT_TRUE(std::isnan(second.area)) << "missing";
  ASSERT_EQ(instances->images.size(), 2u);
  EXPECT_EQ(instances->images[0].width, 640);
  EXPECT_EQ(instances->images[1].file_name, "\xc3\xa9.png");
  EXPECT_EQ(instances->images[1].height, 0);
  ASSERT_EQ(instances->categories.size(), 2u);
  EXPECT_EQ(instances->categories[0].name, "toothbrush");
}

TEST(ParseCocoInstances, KeepsAnnotationsWithAProblem) {
  const char* rest = R"("image_id": 1, "category_id": 1)";
  struct Case {
    std::string record;
    const char* field;
    DefectKind kind;
  };
  for (const Case& c : {
           Case{absl::StrCat(R"({"id": 1, )", rest, "}"), "bbox", DefectKind::kMissingField},
           Case{R"({"id": 1, "image_id": null, "category_id": 1, "bbox": [1,2,3,4]})", "image_id",
                DefectKind::kBadNumber},
           Case{R"({"id": 1.5, "image_id": 1, "category_id": 1, "bbox": [1,2,3,4]})", "id",
                DefectKind::kBadNumber},
           Case{absl::StrCat(R"({"id": 1, "bbox": [1,2,3], )", rest, "}"), "bbox",
                DefectKind::kBadNumber},
           Case{absl::StrCat(R"({"id": 1, "bbox": [1,2,3,4,5], )", rest, "}"), "bbox",
                DefectKind::kBadNumber},
           Case{absl::StrCat(R"({"id": 1, "bbox": [1,2,"3",4], )", rest, "}"), "bbox",
                DefectKind::kBadNumber},
           Case{absl::StrCat(R"({"id": 1, "bbox": [1,2,NaN,4], )", rest, "}"), "bbox",
                DefectKind::kBadNumber},
           Case{absl::StrCat(R"({"id": 1, "bbox": [1,2,1e400,4], )", rest, "}"), "bbox",
                DefectKind::kBadNumber},
           Case{absl::StrCat(R"({"id": 1, "bbox": {"x": 1}, )", rest, "}"), "bbox",
                DefectKind::kBadNumber},
       }) {
    const CocoAnnotation annotation = Only(c.record);
    EXPECT_STREQ(annotation.problem.field, c.field) << c.record;
    EXPECT_EQ(annotation.problem.kind, c.kind) << c.record;
  }
}

TEST(ParseCocoInstances, BadRecordDoesNotAffectTheNext) {
  const std::string good = R"({"id": 2, "image_id": 1, "category_id": 1, "bbox": [1,2,3,4]})";
  for (const char* bad : {R"({"id": 1, "bbox": [1, NaN, {"a": [2]}, []]})",
                          R"({"bbox": [[[[1]]]]})", R"({"bbox": "text", "area": [1, 2]})", "{}"}) {
    absl::StatusOr<CocoInstances> instances =
        ParseCocoInstances(Annotations(absl::StrCat(bad, ",", good)));
    ASSERT_THAT(instances, IsOk()) << " of " << bad;
    ASSERT_EQ(instances->annotations.size(), 2u);
    EXPECT_TRUE(instances->annotations[0].problem.found()) << bad;
    EXPECT_FALSE(instances->annotations[1].problem.found()) << bad;
    EXPECT_THAT(instances->annotations[1].bbox, ElementsAre(1, 2, 3, 4));
  }
}

TEST(ParseCocoInstances, NamesTheRecordThatCannotBeRead) {
  ExpectError(R"({"images": [{"id": 1, "file_name": "a"}, {"id": 2}]})",
              "images[1]: no field \"file_name\"");
  ExpectError(R"({"images": [{"id": "x1", "file_name": "a"}]})",
              "images[0]: bad value of \"id\": \"x1\"");
  ExpectError(R"({"images": [{"id": [1, 2], "file_name": "a"}]})",
              "images[0]: bad value of \"id\": [1, 2]");
  ExpectError(R"({"categories": [{"id": 1}]})", "categories[0]: no field \"name\"");
  ExpectError(Annotations("7"), "annotations[0]");
  ExpectError(R"({"annotations": {}})", "annotations");
}

TEST(ParseCocoInstances, NamesMayBeMissingIfNotNeeded) {
  const CocoInstancesOptions options = {.need_names = false};
  absl::StatusOr<CocoInstances> instances = ParseCocoInstances(
      R"({"images": [{"id": 1}], "annotations": [], "categories": [{"id": 2}]})", options);
  ASSERT_THAT(instances, IsOk());
  EXPECT_EQ(instances->images[0].file_name, "");
  EXPECT_EQ(instances->categories[0].name, "");
  EXPECT_THAT(
      ParseCocoInstances(R"({"images": [{"file_name": "a"}]})", options),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("images[0]: no field \"id\"")));
}

TEST(ParseCocoInstances, RejectsMissingAndDuplicateSections) {
  ExpectError("{}", "no \"images\"");
  ExpectError(R"({"images": [], "annotations": []})", "no \"categories\"");
  ExpectError(R"({"images": [], "images": []})", "two \"images\"");
}

TEST(ParseCocoInstances, RejectsDuplicateIds) {
  const std::string box = R"("image_id": 1, "category_id": 1, "bbox": [1,2,3,4]})";
  ExpectError(Annotations(absl::StrCat(R"({"id": 5, )", box, R"(, {"id": 5, )", box)),
              "annotations: the id 5 is a duplicate");
  ExpectError(R"({"annotations": [], "categories": [], "images": [{"id": 0, "file_name": "a"},
                  {"id": 0, "file_name": "b"}]})",
              "images: the id 0");
  ExpectError(R"({"annotations": [], "images": [], "categories": [{"id": 3, "name": "a"},
                  {"id": 3, "name": "b"}]})",
              "categories: the id 3");
}

TEST(ParseCocoInstances, NumbersAnnotationsWithoutAnId) {
  const std::string rest = R"("image_id": 1, "category_id": 1, "bbox": [1,2,3,4]})";
  absl::StatusOr<CocoInstances> instances = ParseCocoInstances(
      Annotations(absl::StrCat("{", rest, R"(, {"id": 7, )", rest, R"(, {"id": null, )", rest)));
  ASSERT_THAT(instances, IsOk());
  EXPECT_EQ(instances->annotations[0].id, 8);
  EXPECT_EQ(instances->annotations[1].id, 7);
  EXPECT_EQ(instances->annotations[2].id, 9);
  for (const CocoAnnotation& each : instances->annotations) EXPECT_FALSE(each.problem.found());
  EXPECT_THAT(instances->notices,
              ElementsAre(HasSubstr("2 annotations have no id, the first annotations[0]")));
  EXPECT_EQ(ParseCocoInstances(Annotations(absl::StrCat("{", rest)))->annotations[0].id, 1);
}

TEST(ParseCocoInstances, TakesIdsThatAreStringsOfDigits) {
  absl::StatusOr<CocoInstances> instances = ParseCocoInstances(
      R"({"images": [{"id": "42", "file_name": "a.jpg", "width": "640", "height": "480"}],
          "categories": [{"id": "3", "name": "cat"}],
          "annotations": [{"id": "007", "image_id": "42", "category_id": "3", "bbox": [1,2,3,4]}]})");
  ASSERT_THAT(instances, IsOk());
  EXPECT_EQ(instances->images[0].id, 42);
  EXPECT_EQ(instances->images[0].width, 640);
  EXPECT_EQ(instances->categories[0].id, 3);
  EXPECT_EQ(instances->annotations[0].id, 7);
  EXPECT_EQ(instances->annotations[0].image_id, 42);
  EXPECT_EQ(instances->annotations[0].category_id, 3);
  for (const char* bad : {R"("4x")", R"("")", R"("-4")", R"("4.0")", R"("99999999999999999999")"}) {
    EXPECT_STREQ(Only(absl::StrCat(R"({"id": 1, "category_id": 1, "bbox": [1,2,3,4], "image_id": )",
                                   bad, "}"))
                     .problem.field,
                 "image_id")
        << bad;
  }
}

TEST(ParseCocoInstances, AnAreaOrMarkThatIsNotANumberCountsAsMissing) {
  const std::string rest = R"("id": 1, "image_id": 1, "category_id": 1, "bbox": [1,2,3,4]})";
  for (const char* value :
       {"null", "NaN", "Infinity", "1e400", R"("12.5")", "[]", "[12]", R"({"a": 1})", R"("")"}) {
    const CocoAnnotation annotation =
        Only(absl::StrCat(R"({"area": )", value, R"(, "iscrowd": )", value, ", ", rest));
    EXPECT_FALSE(annotation.problem.found()) << value;
    EXPECT_TRUE(std::isnan(annotation.area)) << value;
    EXPECT_FALSE(annotation.iscrowd) << value;
    EXPECT_THAT(annotation.bbox, ElementsAre(1, 2, 3, 4)) << value;
  }
  const CocoAnnotation good = Only(absl::StrCat(R"({"area": 12.5, "iscrowd": true, )", rest));
  EXPECT_EQ(good.area, 12.5);
  EXPECT_TRUE(good.iscrowd);
  const auto marked = ParseCocoInstances(Annotations(absl::StrCat(R"({"iscrowd": "yes", )", rest)));
  ASSERT_THAT(marked, IsOk());
  EXPECT_THAT(marked->notices, ElementsAre(HasSubstr("the first \"yes\"")));
}

TEST(ParseCocoInstances, ShowsTheOffendingValue) {
  const std::string rest = R"("id": 1, "image_id": 1, "category_id": 1)";
  const struct {
    std::string record;
    const char* shown;
  } kCases[] = {
      {absl::StrCat("{", rest, R"(, "bbox": [1, 2, "3", 4]})"), "[1, 2, \"3\", 4]"},
      {absl::StrCat("{", rest, R"(, "bbox": [1, NaN, 3, 4]})"), "[1, NaN, 3, 4]"},
      {absl::StrCat("{", rest, R"(, "bbox": {"x": 1}})"), "{\"x\": 1}"},
      {R"({"id": 1, "image_id": "a, b", "category_id": 1, "bbox": [1,2,3,4]})", "\"a, b\""},
      {R"({"id": 1, "image_id": "a\\", "category_id": 1, "bbox": [1,2,3,4]})", R"("a\\")"},
      {R"({"id": 1.5, "image_id": 1, "category_id": 1, "bbox": [1,2,3,4]})", "1.5"},
      {R"({"id": 1, "image_id": 1, "category_id": null})", "null"},
  };
  for (const auto& each : kCases) {
    const auto instances = ParseCocoInstances(Annotations(each.record));
    ASSERT_THAT(instances, IsOk()) << each.record;
    EXPECT_THAT(instances->bad_values, ElementsAre(::testing::Pair(0, each.shown)));
  }
  const std::string many(1000, '7');
  const auto cut =
      ParseCocoInstances(Annotations(absl::StrCat("{", rest, R"(, "bbox": ")", many, "\"}")));
  ASSERT_THAT(cut, IsOk());
  EXPECT_LT(cut->bad_values.at(0).size(), 50u);
}

TEST(ParseCocoInstances, MemoryIsBoundedByTheSizeOfTheFile) {
  const auto repeated = [](const std::string& record, size_t count) {
    std::string all = record;
    for (size_t i = 1; i < count; ++i) all += "," + record;
    return Annotations(all);
  };
  const size_t most = testing::MostRecords([&](size_t n) { return repeated("{}", n).size(); });
  EXPECT_THAT(ParseCocoInstances(repeated("{}", most)), IsOk());
  ExpectError(repeated("{}", most + 1), "too many annotations for a file of ");
  const auto shortest =
      ParseCocoInstances(repeated(R"({"image_id":1,"category_id":1,"bbox":[0,0,1,1]})", 3000));
  ASSERT_THAT(shortest, IsOk());
  EXPECT_EQ(shortest->annotations.size(), 3000u);
}

TEST(ParseCocoInstances, TrimsNamesOfCategories) {
  const auto instances = ParseCocoInstances(
      R"({"images": [], "annotations": [], "categories": [{"id": 1, "name": " red cell\t"}]})");
  ASSERT_THAT(instances, IsOk());
  EXPECT_EQ(instances->categories[0].name, "red cell");
}

// The fields may come in any order. A bbox that is present is kept, even if it is wrong.
TEST(ParseCocoInstances, AMissingBoxIsThatOfThePolygons) {
  const auto instances = ParseCocoInstances(Annotations(
      R"({"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 2, 4, 2, 4, 9]]},
         {"segmentation": [[1, 2, 4, 2, 4, 9], [0, 3, 1, 3, 1, 4]], "id": 2, "image_id": 1,
          "category_id": 1},
         {"id": 3, "segmentation": [[1, 2, 4, 2, 4, 9]], "image_id": 1, "category_id": 1,
          "bbox": [5, 6, 7, 8]},
         {"id": 4, "segmentation": [[1, 2, 4, 2, 4, 9]], "image_id": 1, "category_id": 1,
          "bbox": [5, 6, 7, "x"]})"));
  ASSERT_THAT(instances, IsOk());
  ASSERT_EQ(instances->annotations.size(), 4u);
  EXPECT_THAT(instances->annotations[0].bbox, ElementsAre(1, 2, 3, 7));
  EXPECT_THAT(instances->annotations[1].bbox, ElementsAre(0, 2, 4, 7));
  EXPECT_THAT(instances->annotations[2].bbox, ElementsAre(5, 6, 7, 8));
  for (size_t i = 0; i < 3; ++i) EXPECT_FALSE(instances->annotations[i].problem.found()) << i;
  EXPECT_EQ(instances->annotations[3].problem.kind, DefectKind::kBadNumber);
  EXPECT_THAT(instances->notices,
              ElementsAre(HasSubstr("2 annotations have no bbox, the first annotations[0]")));
}

TEST(ParseCocoInstances, ANullBoxIsMissing) {
  const CocoAnnotation polygons = Only(R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": null,
      "segmentation": [[1, 2, 4, 2, 4, 9]]})");
  EXPECT_FALSE(polygons.problem.found());
  EXPECT_THAT(polygons.bbox, ElementsAre(1, 2, 3, 7));
  const CocoAnnotation none = Only(R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": null})");
  EXPECT_STREQ(none.problem.field, "bbox");
  EXPECT_EQ(none.problem.kind, DefectKind::kMissingField);
}

TEST(ParseCocoInstances, AMaskWithoutABoxIsAProblem) {
  const CocoAnnotation mask = Only(R"({"id": 1, "image_id": 1, "category_id": 1,
      "segmentation": {"counts": [1, 2, 1], "size": [2, 2]}})");
  EXPECT_STREQ(mask.problem.field, "bbox");
  EXPECT_EQ(mask.problem.kind, DefectKind::kMissingField);
}

TEST(ParseCocoInstances, NeedsNoAnnotationsWhereOnlyIdsAreWanted) {
  const std::string info = R"({"images": [{"id": 1, "file_name": "a"}], "categories": []})";
  ExpectError(info, "no \"annotations\" section");
  ExpectError(info, "an image_info file has no ground truth");
  const auto instances = ParseCocoInstances(info, {.need_annotations = false});
  ASSERT_THAT(instances, IsOk());
  EXPECT_EQ(instances->images.size(), 1u);
  EXPECT_TRUE(instances->annotations.empty());
}

TEST(ParseCocoInstances, NamesWhatOtherProgramsLeave) {
  ExpectError(Utf16(kWhole), "UTF-16");
  ExpectError("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS");
  ExpectError(R"({"images": [], "categories": [], "annotations": [],})", "a comma before '}'");
  ExpectError(R"({"images": [], "categories": [{"id": 1, "name": "a"},], "annotations": []})",
              "a comma before ']' in line 1");
  ExpectError(R"({"images": [{"id": 1, "file_name": "a",}], "categories": [], "annotations": []})",
              "a comma before '}'");
}

TEST(ParseCocoInstances, RejectsInvalidJson) {
  for (const char* text :
       {"", " ", "x", "[]", "7", "\"images\"", "<annotation/>", "{\"images\": [", "null"}) {
    EXPECT_THAT(ParseCocoInstances(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
  ExpectError(absl::StrCat(kWhole, "{}"), "extra text after its end");
  ExpectError("", "the file is empty");
  ExpectError("hello", "not a COCO instances file");
  ExpectError("[{}]", "it does not start with '{'; is it a results file?");
  ExpectError(R"({"images" []})", "not valid JSON: a comma, a brace or a key is missing");
  ExpectError(std::string(R"({"images": [{"id": 1, "file_name": "a)") + '\0' + R"("}]})", "JSON");
}

TEST(ParseCocoInstances, EveryPrefixIsAnError) {
  const std::string whole = kWhole;
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(ParseCocoInstances(whole.substr(0, length)), ::testing::Not(IsOk())) << length;
  }
}

TEST(ParseCocoInstances, SurvivesDeepNesting) {
  const std::string open(100000, '[');
  const std::string close(100000, ']');
  EXPECT_THAT(ParseCocoInstances(open), ::testing::Not(IsOk()));
  // Within a skipped field.
  const std::string nested =
      absl::StrCat(R"({"id": 1, "image_id": 1, "category_id": 1, "bbox": [1,2,3,4],
      "segmentation": )",
                   open, close, "}");
  absl::StatusOr<CocoInstances> instances = ParseCocoInstances(Annotations(nested));
  if (instances.ok()) {
    EXPECT_FALSE(instances->annotations.at(0).problem.found());
  }
}

TEST(ParseCocoInstances, DamagedBytesNeverCrash) {
  const std::string whole = kWhole;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (char replacement : {'"', '}', ']', '\\', '9', '\xff'}) {
      std::string damaged = whole;
      damaged[i] = replacement;
      absl::StatusOr<CocoInstances> instances = ParseCocoInstances(damaged);
      EXPECT_TRUE(!instances.ok() || instances->annotations.size() <= 2);
    }
  }
}

TEST(ReadCocoInstances, ReadsFilesThatEndAnywhereInAPage) {
  const std::string path = ::testing::TempDir() + "/instances.json";
  for (size_t padding : {0, 1, 3000}) {
    const std::string bytes = kWhole + std::string(padding, ' ');
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
    EXPECT_EQ(ReadCocoInstances(path)->annotations.size(), 2u);
  }
  ASSERT_THAT(WriteFileAtomically(path, absl::StrCat("\xef\xbb\xbf", kWhole)), IsOk());
  EXPECT_EQ(ReadCocoInstances(path)->annotations.size(), 2u) << "with a byte order mark";
  // Makes the text end exactly at the end of a page.
  const std::string whole = kWhole;
  ASSERT_THAT(WriteFileAtomically(path, std::string(4096 - whole.size() % 4096, ' ') + whole),
              IsOk());
  EXPECT_EQ(ReadCocoInstances(path)->annotations.size(), 2u);
}

TEST(ReadCocoInstances, ErrorsStartWithThePath) {
  const std::string path = ::testing::TempDir() + "/empty.json";
  ASSERT_THAT(WriteFileAtomically(path, ""), IsOk());
  EXPECT_THAT(ReadCocoInstances(path),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith(path)));
  EXPECT_THAT(ReadCocoInstances(path + ".none"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace rcnn::data
