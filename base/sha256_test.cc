#include "rcnn/base/sha256.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

// NIST, "Secure Hash Standard", examples of SHA-256: none, 24, 448 and 8,000,000 bits.
constexpr char kNone[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kMillion[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256Test, GivesTheDigestsOfTheStandard) {
  EXPECT_THAT(Sha256(""), IsOkAndHolds(kNone));
  EXPECT_THAT(Sha256("abc"),
              IsOkAndHolds("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_THAT(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              IsOkAndHolds("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
  EXPECT_THAT(Sha256(std::string(1'000'000, 'a')), IsOkAndHolds(kMillion));
}

// Of several pieces.
TEST(Sha256Test, AFileHasTheDigestOfItsBytes) {
  const TemporaryDirectory directory("sha256_test");
  const std::string path = directory.path() + "/file";
  ASSERT_THAT(WriteFileAtomically(path, std::string(1'000'000, 'a')), IsOk());
  EXPECT_THAT(Sha256OfFile(path), IsOkAndHolds(kMillion));
  FileDigest digest;
  EXPECT_THAT(Sha256OfFile(path, &digest), IsOkAndHolds(kMillion));
  EXPECT_EQ(digest, Digest(std::string(1'000'000, 'a')));
  ASSERT_THAT(WriteFileAtomically(path, ""), IsOk());
  EXPECT_THAT(Sha256OfFile(path), IsOkAndHolds(kNone));
}

TEST(Sha256Test, AFileThatCannotBeReadIsAnError) {
  const TemporaryDirectory directory("sha256_test");
  EXPECT_THAT(Sha256OfFile(directory.path() + "/missing"),
              StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr("/missing")));
  EXPECT_THAT(Sha256OfFile(directory.path()), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace rcnn
