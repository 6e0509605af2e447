#include "rcnn/eval/html/html_text.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

TEST(HtmlTextTest, EscapesWhatHtmlTakesForMarkup) {
  EXPECT_EQ(EscapeHtml("<img src=x onerror='alert(1)'>&\""),
            "&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;&quot;");
  EXPECT_EQ(EscapeHtml("</script>"), "&lt;/script&gt;");
}

TEST(HtmlTextTest, KeepsUtf8AndShowsWhatIsNot) {
  EXPECT_EQ(EscapeHtml("K\xC3\xA4tzchen \xE7\x8C\xAB \xF0\x9F\x90\x88"),
            "K\xC3\xA4tzchen \xE7\x8C\xAB \xF0\x9F\x90\x88");
  EXPECT_EQ(EscapeHtml("a\xFFz"), "a\\xffz");
  EXPECT_EQ(EscapeHtml("\xC0\xBC"), "\\xc0\\xbc");           // an overlong "<"
  EXPECT_EQ(EscapeHtml("\xE7\x8C"), "\\xe7\\x8c");           // ends early
  EXPECT_EQ(EscapeHtml("\xED\xA0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(EscapeHtml(absl::string_view("\0\x1B\x7F", 3)), "\\x00\\x1b\\x7f");
  EXPECT_EQ(EscapeHtml("\xC2\x85"), "\\u0085");
  EXPECT_EQ(EscapeHtml("a\n\tb"), "a\n\tb");
}

TEST(HtmlTextTest, ShowsMarksThatTurnTheTextAfterThem) {
  EXPECT_EQ(EscapeHtml("\xE2\x80\xAEgnp.exe"), "\\u202egnp.exe");
  EXPECT_EQ(EscapeHtml("\xE2\x80\xAA\xE2\x81\xA6\xE2\x81\xA9"), "\\u202a\\u2066\\u2069");
  EXPECT_EQ(EscapeHtml("\xE2\x80\x94\xE2\x81\xAA"), "\xE2\x80\x94\xE2\x81\xAA");
}

// The name is Arabic.
TEST(HtmlTextTest, IsolatesNames) {
  EXPECT_EQ(NameHtml("\xD9\x82\xD8\xB7"), "<bdi>\xD9\x82\xD8\xB7</bdi>");
  EXPECT_EQ(NameHtml("</bdi><b>"), "<bdi>&lt;/bdi&gt;&lt;b&gt;</bdi>");
}

TEST(HtmlTextTest, ShortensByCodePoints) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6),
            "abc\xE2\x80\xA6"
            "fg");
  EXPECT_EQ(Shorten("\xC3\xA4\xC3\xB6\xC3\xBC", 2), "\xC3\xA4\xE2\x80\xA6");
}

TEST(HtmlTextTest, WritesNumbersForPeople) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(PercentText(0.4134), "41.3");
  EXPECT_EQ(PercentText(-1), "\xE2\x80\x93");
  EXPECT_EQ(PercentText(nan), "\xE2\x80\x93");
  EXPECT_EQ(SignedPercentText(0.041), "+4.1");
  EXPECT_EQ(SignedPercentText(-0.002),
            "\xE2\x88\x92"
            "0.2");
  EXPECT_EQ(SignedPercentText(-0.0001), "0.0");
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1234567), "1,234,567");
  EXPECT_EQ(CountText(-1234), "-1,234");
}

TEST(HtmlTextTest, CountsOneInTheSingular) {
  EXPECT_EQ(CountedText(1, "image"), "1 image");
  EXPECT_EQ(CountedText(0, "image"), "0 images");
  EXPECT_EQ(CountedText(5000, "class", "classes"), "5,000 classes");
}

TEST(HtmlTextTest, EncodesBytesInAUrl) {
  EXPECT_EQ(DataUrl("image/jpeg", "hi!"), "data:image/jpeg;base64,aGkh");
}

}  // namespace
}  // namespace rcnn::eval
