#include "rcnn/base/errno_status.h"

#include <errno.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;

TEST(ErrnoStatusTest, NamesThePathAndTheCause) {
  errno = ENOENT;
  EXPECT_THAT(ErrnoStatus("open", "/a/b"),
              StatusIs(absl::StatusCode::kNotFound, "cannot open /a/b: No such file or directory"));
}

TEST(ErrnoStatusTest, SaysWhatToDoWhereThatIsKnown) {
  EXPECT_THAT(ErrorNumberStatus(ENOSPC, "write", "f"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("free some space")));
  EXPECT_THAT(ErrorNumberStatus(EFBIG, "write", "f"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("ulimit -f")));
  EXPECT_THAT(ErrorNumberStatus(EACCES, "open", "f"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("permissions")));
  EXPECT_THAT(ErrorNumberStatus(EROFS, "open", "f"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("can be written")));
}

TEST(ErrnoStatusTest, WhatMayPassIsUnavailable) {
  for (const int error : {EIO, ESTALE, ENOMEM, EMFILE, ENAMETOOLONG}) {
    EXPECT_THAT(ErrorNumberStatus(error, "read", "f"),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot read f: ")));
  }
}

}  // namespace
}  // namespace rcnn
