#include "rcnn/base/folder_lock.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;

TEST(FolderLockTest, OneAtATime) {
  const TemporaryDirectory folder("folder_lock_test");
  {
    absl::StatusOr<FolderLock> lock = FolderLock::Take(folder.path());
    ASSERT_THAT(lock, IsOk());
    const FolderLock moved = *std::move(lock);
    EXPECT_THAT(FolderLock::Take(folder.path()),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("another process is writing into " + folder.path())));
  }
  EXPECT_THAT(FolderLock::Take(folder.path()), IsOk());
}

TEST(FolderLockTest, WhatIsNotAFolderIsAnError) {
  const TemporaryDirectory folder("folder_lock_test");
  EXPECT_THAT(FolderLock::Take(folder.path() + "/missing"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/missing")));
}

}  // namespace
}  // namespace rcnn
