#include "rcnn/base/printable.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(PrintableTest, OrdinaryNamesStayAsTheyAre) {
  for (const char* name :
       {"", "cat", "a/b c.jpg", "caf\xc3\xa9", "\xe7\x8c\xab", "\xf0\x9f\x90\xb1",
        "C:\\images\\1.png", "it's \"quoted\"", "\xe2\x80\x94", "\xc2\xa0"}) {
    EXPECT_EQ(Printable(name), name);
    EXPECT_EQ(PrintableLines(name), name);
    EXPECT_EQ(PrintableMessage(name), name);
  }
}

TEST(PrintableTest, WhatATerminalWouldObeyIsShown) {
  EXPECT_EQ(Printable("\x1b[2J\x1b]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
  EXPECT_EQ(Printable("a\rb\nc\td\x7f"), "a\\rb\\nc\\td\\x7f");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\u009b31m")
      << "CSI in one code point";
  EXPECT_EQ(Printable("\x9b"
                      "31m"),
            "\\x9b31m")
      << "CSI in one byte";
}

TEST(PrintableTest, MarksOfDirectionAndLineSeparatorsAreShown) {
  EXPECT_EQ(Printable("a\xe2\x80\xae"
                      "gpj.exe"),
            "a\\u202egpj.exe");
  EXPECT_EQ(Printable("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\x8e\xe2\x81\xa6"),
            "\\u2028\\u2029\\u200e\\u2066");
  EXPECT_EQ(Printable("\xd8\x9c"), "\\u061c") << "Arabic letter mark";
}

TEST(PrintableTest, BytesThatAreNotUtf8AreShown) {
  EXPECT_EQ(Printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(Printable("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(Printable("\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80"),
            "\\xc0\\x80\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80")
      << "too long, a surrogate, too large";
  EXPECT_EQ(Printable("\xe7\x8c"), "\\xe7\\x8c") << "cut off";
  EXPECT_EQ(Printable("\xff\xe7\x8c\xab"), "\\xff\xe7\x8c\xab") << "the rest stays";
}

// No remaining byte can start a terminal sequence.
TEST(PrintableTest, NoControlIsLeftOfAnyTwoBytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      for (const char c : Printable(std::string{static_cast<char>(a), static_cast<char>(b)})) {
        const auto byte = static_cast<unsigned char>(c);
        ASSERT_TRUE(byte >= 0x20 && byte != 0x7f) << a << " " << b;
      }
    }
  }
}

TEST(ShortNameTest, CutsAfterEscaping) {
  EXPECT_EQ(ShortName("caf\xc3\xa9", 4), "caf\xc3\xa9");
  EXPECT_EQ(ShortName("\x1b[2J", 8), "\\x1b[2J");
  EXPECT_EQ(ShortName(std::string(50, '\n'), 7), "\\n...\\n");
}

TEST(ShortNameTest, KeepsTheBeginningAndTheEnd) {
  EXPECT_EQ(ShortName("0123456789", 10), "0123456789");
  EXPECT_EQ(ShortName("0123456789", 9), "012...789");
  EXPECT_EQ(ShortName("0123456789", 8), "012...89");
  EXPECT_EQ(ShortName("0123456789", 4), "0...");
  EXPECT_EQ(ShortName("\xc3\xa9tag\xc3\xa8re de caf\xc3\xa9", 7), "\xc3\xa9t...f\xc3\xa9");
}

TEST(NameListTest, NamesTheFirst) {
  EXPECT_EQ(NameList({}, 3), "");
  EXPECT_EQ(NameList({"cat", "d\nog"}, 2), "cat, d\\nog");
  EXPECT_EQ(NameList({"cat", "dog", "cow"}, 2), "cat, dog, ...");
}

TEST(PrintableTest, LinesOfATextStay) { EXPECT_EQ(PrintableLines("a\nb\x1b\n"), "a\nb\\x1b\n"); }

TEST(PrintableTest, ALineBreakInANameStartsNoNewMessage) {
  EXPECT_EQ(PrintableMessage("x\nerror: everything is lost"), "x\n  error: everything is lost");
  EXPECT_EQ(PrintableMessage("x\n  y\n\nz\n"), "x\n  y\n\n  z\n");
}

TEST(CsvCellTest, QuotesWhatHasToBe) {
  EXPECT_EQ(CsvCell("a b"), "a b");
  EXPECT_EQ(CsvCell("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvCell("a\"b"), "\"a\"\"b\"");
}

TEST(CsvCellTest, NoTerminalObeysIt) {
  EXPECT_EQ(CsvCell("\x1b]0;pwned\x07"), "\\x1b]0;pwned\\x07");
  EXPECT_EQ(CsvCell("a\nb\rc\td\x7f"), "a\\nb\\rc\\td\\x7f");
  EXPECT_EQ(CsvCell("\xc2\x9b"
                    "31m,\xe2\x80\xae"),
            "\"\\u009b31m,\\u202e\"");
  EXPECT_EQ(CsvCell("caf\xe9"), "caf\\xe9") << "not UTF-8";
  EXPECT_EQ(CsvCell("caf\xc3\xa9"), "caf\xc3\xa9") << "UTF-8";
}

// A name that has the text of an escape in it is not the name that has the character.
TEST(CsvCellTest, DifferentNamesAreDifferentCells) {
  EXPECT_EQ(CsvCell("a\\x1b"), "a\\\\x1b");
  EXPECT_EQ(CsvCell("a\x1b"), "a\\x1b");
  EXPECT_EQ(CsvCell("a\\\x1b"), "a\\\\\\x1b");
}

TEST(CsvCellTest, NoControlIsLeftOfAnyTwoBytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      for (const char c : CsvCell(std::string{static_cast<char>(a), static_cast<char>(b)})) {
        const auto byte = static_cast<unsigned char>(c);
        ASSERT_TRUE(byte >= 0x20 && byte != 0x7f) << a << " " << b;
      }
    }
  }
}

TEST(CsvCellTest, NoSpreadsheetRunsIt) {
  EXPECT_EQ(CsvCell("=HYPERLINK(\"http://x\",\"y\")"),
            "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
  for (const char* text : {"=1+1", "+1", "-1", "@x"}) {
    EXPECT_THAT(CsvCell(text), testing::StartsWith("'"));
  }
  EXPECT_EQ(CsvCell("\t=1"), "\\t=1") << "begins with a backslash";
  EXPECT_EQ(CsvCell("a=1"), "a=1");
  EXPECT_EQ(CsvCell("\xef\xbc\x9d"
                    "1+1"),
            "'\xef\xbc\x9d"
            "1+1")
      << "full width";
}

// Where a list's separator is a semicolon, a spreadsheet begins cells after it.
TEST(CsvCellTest, NoPartOfItIsRun) {
  EXPECT_EQ(CsvCell("a;=1+1;b"), "a;'=1+1;b");
  EXPECT_EQ(CsvCell("a\n=1+1"), "a\\n=1+1");
  EXPECT_EQ(CsvCell("a\t@x"), "a\\t@x");
  EXPECT_EQ(CsvCell("a;b"), "a;b");
}

TEST(XmlTextTest, NoMarkupIsLeft) {
  EXPECT_EQ(XmlText("<script>&\"'"), "&lt;script&gt;&amp;&quot;&#39;");
  EXPECT_EQ(XmlText("caf\xc3\xa9\n\t"), "caf\xc3\xa9\\n\\t");
  EXPECT_EQ(XmlLines("<b>\n\t\x1b\r"), "&lt;b&gt;\n\t\\x1b\\r");
}

TEST(NameWidthTest, PadsToTheWidestUpToALimit) {
  NameWidth width(3, 6);
  EXPECT_EQ(width.Pad("a"), "a  ");
  width.Add("four");
  width.Add("caf\xc3\xa9s");
  EXPECT_EQ(width.Pad("caf\xc3\xa9") + "|", "caf\xc3\xa9 |");
  width.Add(std::string(5000, 'n'));
  EXPECT_EQ(width.width(), 6u);
  EXPECT_EQ(width.Pad(std::string(5000, 'n')).size(), 5000u);
}

// Two characters of two columns each; e and a combining acute accent are one.
TEST(NameWidthTest, CountsTheColumnsOfATerminal) {
  NameWidth width(1);
  width.Add("\xe7\xba\xa2\xe7\xbb\x86");
  EXPECT_EQ(width.width(), 4u);
  EXPECT_EQ(width.Pad("\xe7\xba\xa2") + "|", "\xe7\xba\xa2  |");
  EXPECT_EQ(width.Pad("e\xcc\x81") + "|", "e\xcc\x81   |");
  EXPECT_EQ(width.Pad("\xff") + "|", "\xff   |");
}

}  // namespace
}  // namespace rcnn
