#include "rcnn/base/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

// RFC 3720, Appendix B.4.
TEST(Crc32cTest, GivesThePublishedValues) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, PiecesGiveTheValueOfTheWhole) {
  const std::string text = "a text that is longer than one word of eight bytes";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(text.substr(cut), Crc32c(text.substr(0, cut))), Crc32c(text)) << cut;
  }
}

TEST(Crc32cTest, TableAndInstructionAgree) {
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(internal::Crc32cByTable(text, 7), Crc32c(text, 7)) << i;
    text.push_back(static_cast<char>(i * 37));
  }
}

}  // namespace
}  // namespace rcnn
