#include "rcnn/data/core/xml_document.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ParseXmlTest, ReadsElements) {
  pugi::xml_document document;
  ASSERT_THAT(ParseXml("<a><b>7</b></a>", document), IsOk());
  EXPECT_EQ(std::string(document.child("a").child_value("b")), "7");
}

TEST(ParseXmlTest, ErrorsNameTheByte) {
  pugi::xml_document document;
  EXPECT_THAT(ParseXml("<a></b>", document),
              StatusIs(kInvalid, StartsWith("not valid XML at byte ")));
}

TEST(ParseXmlTest, RejectsDeclarationsOfEntities) {
  pugi::xml_document document;
  EXPECT_THAT(ParseXml("<!DOCTYPE a><a/>", document), IsOk());
  EXPECT_THAT(ParseXml("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", document),
              StatusIs(kInvalid, HasSubstr("with its own declarations")));
}

// As "cat a.xml b.xml" writes it.
TEST(ParseXmlTest, RejectsSeveralDocuments) {
  pugi::xml_document document;
  EXPECT_THAT(ParseXml("<?xml version=\"1.0\"?><!-- a --><a/><!-- b -->\n", document), IsOk());
  for (const char* second : {"<b/>", "<?xml version=\"1.0\"?><b/>"}) {
    EXPECT_THAT(ParseXml(absl::StrCat("<a><b/></a>\n", second), document),
                StatusIs(kInvalid, HasSubstr("several documents in one file: <b> follows the end "
                                             "of <a>")))
        << second;
  }
}

TEST(XmlTextTest, CommentsAndSectionsDoNotEndIt) {
  pugi::xml_document document;
  ASSERT_THAT(
      ParseXml("<a><b> 1<!-- x -->2</b><b>c<![CDATA[&]]>d</b><b><![CDATA[ e ]]></b><b/></a>",
               document),
      IsOk());
  std::vector<std::string> texts;
  for (const pugi::xml_node& node : document.child("a")) texts.push_back(XmlText(node));
  EXPECT_THAT(texts, ElementsAre("12", "c&d", "e", ""));
}

TEST(ParseXmlTest, DecodesTheEncodingThatTheTextDeclares) {
  const std::string cat = "\xe7\x8c\xab";  // U+732B
  const auto text = [](const std::string& encoding, const std::string& content) {
    pugi::xml_document document;
    EXPECT_THAT(ParseXml(absl::StrCat("<?xml version=\"1.0\" encoding='", encoding, "'?><a>",
                                      content, "</a>"),
                         document),
                IsOk());
    return std::string(document.child_value("a"));
  };
  EXPECT_EQ(text("GBK", "\xc3\xa8"), cat);
  EXPECT_EQ(text("utf-8", cat), cat);
  EXPECT_EQ(text("ISO-8859-1", "gr\xfcn"), "gr\xc3\xbcn");
  EXPECT_EQ(text("UTF-16", cat), cat);  // left behind by an editor that saves as UTF-8
  pugi::xml_document document;
  ASSERT_THAT(ParseXml(Utf16("<a>7</a>"), document), IsOk());
  EXPECT_EQ(std::string(document.child_value("a")), "7");
}

TEST(ParseXmlTest, SaysWhatIsNotText) {
  pugi::xml_document document;
  EXPECT_THAT(ParseXml("<?xml version='1.0' encoding='klingon'?><a/>", document),
              StatusIs(kInvalid, HasSubstr("unknown encoding \"KLINGON\"")));
  EXPECT_THAT(ParseXml("<?xml version='1.0' encoding='GBK'?><a>\xff</a>", document),
              StatusIs(kInvalid, HasSubstr("is not valid GBK")));
  EXPECT_THAT(ParseXml("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", document),
              StatusIs(kInvalid, HasSubstr("git lfs pull")));
}

}  // namespace
}  // namespace rcnn::data
