#include "rcnn/training/distributed/rank_facts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::json;

// The first fact of rank `other` that is not rank 0's.
absl::Status Compare(const Json& first, const Json& mine, int other) {
  const Json nothing = Json::array({"", "(nothing)"});
  for (size_t i = 0; i < std::max(first.size(), mine.size()); ++i) {
    const Json& a = i < first.size() ? first[i] : nothing;
    const Json& b = i < mine.size() ? mine[i] : nothing;
    if (a == b) continue;
    const auto name = (i < first.size() ? a : b)[0].get<std::string>();
    return absl::FailedPreconditionError(
        absl::StrCat("the ranks do not run the same: ", name, " of rank 0 is ",
                     a[1].get<std::string>(), ", of rank ", other, " ", b[1].get<std::string>()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string PackFacts(const Facts& facts) {
  const std::vector<uint8_t> packed = Json::to_msgpack(facts);
  return std::string(packed.begin(), packed.end());
}

absl::Status CompareFacts(const std::vector<std::string>& packed) {
  const Json first = Json::from_msgpack(packed.front());
  for (size_t rank = 1; rank < packed.size(); ++rank) {
    RCNN_RETURN_IF_ERROR(Compare(first, Json::from_msgpack(packed[rank]), static_cast<int>(rank)));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
