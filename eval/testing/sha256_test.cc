#include "rcnn/eval/testing/sha256.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::eval::testing {
namespace {

// Examples of FIPS 180-4 (NIST, "Secure Hash Standard" example computations).
TEST(Sha256Test, EqualsTheStandardsExamples) {
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

}  // namespace
}  // namespace rcnn::eval::testing
