#include "rcnn/data/core/xml_document.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ParseXmlTest, ReadsElements) {
  pugi::xml_document document;
  ASSERT_THAT(ParseXml("<a><b>7</b></a>", pugi::encoding_auto, document), IsOk());
  EXPECT_EQ(std::string(document.child("a").child_value("b")), "7");
}

TEST(ParseXmlTest, ErrorsNameTheByte) {
  pugi::xml_document document;
  EXPECT_THAT(ParseXml("<a></b>", pugi::encoding_auto, document),
              StatusIs(kInvalid, StartsWith("not valid XML at byte ")));
}

TEST(ParseXmlTest, RejectsDeclarationsOfEntities) {
  pugi::xml_document document;
  EXPECT_THAT(ParseXml("<!DOCTYPE a><a/>", pugi::encoding_auto, document), IsOk());
  EXPECT_THAT(ParseXml("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", pugi::encoding_auto, document),
              StatusIs(kInvalid, HasSubstr("with its own declarations")));
}

}  // namespace
}  // namespace rcnn::data
