#include "rcnn/data/core/defect_report.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Defect ZeroSize(int64_t object) {
  return {"a.xml", object, DefectKind::kZeroSize, "(5, 5, 5, 5)", DefectAction::kObjectDropped};
}

TEST(DefectReport, StartsEmpty) {
  DefectReport report;
  EXPECT_TRUE(report.empty());
  EXPECT_EQ(report.ToString(10), "");
  EXPECT_EQ(report.count(DefectAction::kObjectDropped), 0);
}

TEST(DefectReport, NamesFileObjectValueAndAction) {
  EXPECT_EQ(ZeroSize(3).ToString(), "a.xml: object 3: zero size: (5, 5, 5, 5): object dropped");
}

TEST(DefectReport, LeavesOutObjectAndValueWhereThereAreNone) {
  Defect defect{"b.xml", -1, DefectKind::kMissingImage, "", DefectAction::kImageDropped};
  EXPECT_EQ(defect.ToString(), "b.xml: missing image: image dropped");
}

TEST(DefectReport, EscapesOutsideTextToOneLine) {
  const Defect odd{"gr\xc3\xbcn\n.xml", -1, DefectKind::kUnknownClass, "\"\x1b[2J\""};
  EXPECT_EQ(odd.ToString(), "gr\xc3\xbcn\\n.xml: unknown class: \"\\x1b[2J\": kept");
  // A mark that turns the direction of the text after it, CSI as one code point, not UTF-8.
  const Defect hidden{"\xe2\x80\xaegpj", -1, DefectKind::kUnknownClass, "\xc2\x9b\xff"};
  EXPECT_EQ(hidden.ToString(), "\\u202egpj: unknown class: \\u009b\\xff: kept");
  // Cut off before the character that does not fit.
  const Defect is_long{std::string(299, 'a') + "\xc3\xbc", -1, DefectKind::kMissingImage, ""};
  EXPECT_EQ(is_long.ToString(),
            absl::StrCat(std::string(299, 'a'), "... (301 bytes): missing image: kept"));
}

TEST(DefectReport, CountsByKindAndAction) {
  DefectReport report;
  report.Add(ZeroSize(0));
  report.Add(ZeroSize(1));
  report.Add({"c.xml", 0, DefectKind::kPartlyOutside, "", DefectAction::kClipped});
  EXPECT_EQ(report.total(), 3);
  EXPECT_THAT(report.counts(),
              ElementsAre(Pair(DefectKind::kZeroSize, 2), Pair(DefectKind::kPartlyOutside, 1)));
  EXPECT_EQ(report.count(DefectAction::kObjectDropped), 2);
}

TEST(DefectReport, CountsDefectsNotShown) {
  DefectReport report;
  for (int i = 0; i < 5; ++i) report.Add(ZeroSize(i));
  EXPECT_EQ(report.ToString(1), absl::StrCat(ZeroSize(0).ToString(), "\nand 4 more\n"));
}

TEST(DefectReport, ShowsNoneOfANegativeNumber) {
  DefectReport report;
  report.Add(ZeroSize(1));
  EXPECT_EQ(report.ToString(-1), "and 1 more\n");
}

TEST(DefectReport, KeepsABoundedNumberAndCountsAll) {
  DefectReport report;
  for (int64_t i = 0; i < DefectReport::kMaxKept + 7; ++i) report.Add(ZeroSize(i));
  EXPECT_EQ(report.total(), DefectReport::kMaxKept + 7);
  EXPECT_EQ(report.defects().size(), static_cast<size_t>(DefectReport::kMaxKept));
}

TEST(DefectReport, AppendsWithAPrefix) {
  DefectReport part;
  part.Add(ZeroSize(2));
  DefectReport whole;
  whole.Append(part, "VOC2007/");
  EXPECT_EQ(whole.total(), 1);
  EXPECT_EQ(whole.defects()[0].file, "VOC2007/a.xml");
  EXPECT_EQ(whole.count(DefectAction::kObjectDropped), 1);
}

TEST(DefectReport, SelectsDefectsAndKeepsNotices) {
  DefectReport report;
  report.AddNotice("two images are turned");
  for (const char* image : {"a.jpg", "b.jpg", "a.jpg"}) {
    Defect defect = ZeroSize(1);
    defect.image = image;
    report.Add(defect);
  }
  const auto of_a = [](const Defect& defect) { return defect.image == "a.jpg"; };
  DefectReport selected = report.Select(of_a);
  EXPECT_EQ(selected.total(), 2);
  EXPECT_EQ(selected.count(DefectAction::kObjectDropped), 2);
  EXPECT_THAT(selected.notices(), ElementsAre("two images are turned"));
  for (int64_t i = 0; i < DefectReport::kMaxKept; ++i) report.Add(ZeroSize(i));
  selected = report.Select(of_a);
  EXPECT_EQ(selected.total(), 2);
  EXPECT_THAT(selected.notices(), Contains(HasSubstr("3 of 10003 defects were not stored")));
}

TEST(DefectReport, KeepsEachNoticeOnceAndPassesItOn) {
  DefectReport report;
  report.AddNotice("two images are turned");
  report.AddNotice("a category is not used");
  report.AddNotice("two images are turned");
  EXPECT_TRUE(report.empty());
  DefectReport whole;
  whole.AddNotice("two images are turned");
  whole.Append(report);
  EXPECT_THAT(whole.notices(), ElementsAre("two images are turned", "a category is not used"));
}

TEST(DefectReport, MoreThanATwentiethOfTheObjectsLostIsAnErrorUnlessAllowed) {
  DefectReport report;
  report.SetUsedObjects(95);
  for (int i = 0; i < 3; ++i) report.Add(ZeroSize(i));
  report.AddObjectsOfDroppedImages(2);
  EXPECT_EQ(report.lost_objects(), 5);
  EXPECT_EQ(DescribeLoss(report), "") << "5 %";
  EXPECT_THAT(CheckLoss(report, /*allow_defects=*/false), IsOk());
  report.AddObjectsOfDroppedImages(1);
  EXPECT_EQ(DescribeLoss(report), "6 of 101 objects (5.9 %) are lost to defects");
  EXPECT_THAT(CheckLoss(report, /*allow_defects=*/false),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--allow_defects")));
  EXPECT_THAT(CheckLoss(report, /*allow_defects=*/true), IsOk());
  DefectReport whole;
  whole.Append(report);
  EXPECT_EQ(whole.lost_objects(), 6);
  EXPECT_EQ(whole.used_objects(), 95);
  EXPECT_THAT(CheckLoss(DefectReport(), /*allow_defects=*/false), IsOk());
}

// Nobody knows how many objects they have.
TEST(CheckLoss, CountsAnnotationsThatCannotBeRead) {
  DefectReport report;
  report.SetUsedObjects(38);
  const auto add = [&] {
    report.Add({"a.xml", -1, DefectKind::kUnreadableAnnotation, "not valid XML",
                DefectAction::kImageDropped});
  };
  for (int i = 0; i < 2; ++i) add();
  EXPECT_THAT(CheckLoss(report, /*allow_defects=*/false), IsOk()) << "5 %";
  add();
  EXPECT_THAT(CheckLoss(report, /*allow_defects=*/false),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("3 annotations cannot be read, beside 38 objects that can")));
  EXPECT_THAT(CheckLoss(report, /*allow_defects=*/true), IsOk());
}

}  // namespace
}  // namespace rcnn::data
