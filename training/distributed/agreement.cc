// A message is the status code as a decimal number, a line break, and the error's message or the
// result.

#include "rcnn/training/distributed/agreement.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

std::string Pack(const absl::Status& status, absl::string_view result) {
  return absl::StrCat(static_cast<int>(status.code()), "\n",
                      status.ok() ? result : status.message());
}

absl::StatusOr<std::string> Unpack(absl::string_view message) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(message, absl::MaxSplits('\n', 1));
  int code = 0;
  if (!absl::SimpleAtoi(parts.first, &code)) {
    return absl::InternalError("a rank has sent something else than a result");
  }
  if (code == 0) return std::string(parts.second);
  return absl::Status(static_cast<absl::StatusCode>(code), parts.second);
}

}  // namespace

absl::Status Agree(RankGroup& ranks, const absl::Status& mine) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> messages, ranks.AllGather(Pack(mine, "")));
  absl::Status cancelled;
  for (size_t rank = 0; rank < messages.size(); ++rank) {
    const absl::Status status = Unpack(messages[rank]).status();
    if (absl::IsCancelled(status) && cancelled.ok()) cancelled = status;
    if (status.ok() || absl::IsCancelled(status)) continue;
    return {status.code(), absl::StrCat("rank ", rank, ": ", status.message())};
  }
  return cancelled;
}

absl::StatusOr<std::string> ResultOfFirst(RankGroup& ranks,
                                          const absl::StatusOr<std::string>& mine) {
  const std::string message = ranks.rank() == 0
                                  ? Pack(mine.status(), mine.ok() ? absl::string_view(*mine) : "")
                                  : std::string();
  RCNN_ASSIGN_OR_RETURN(const std::string first, ranks.Broadcast(message));
  return Unpack(first);
}

}  // namespace rcnn::training
