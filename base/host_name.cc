#include "rcnn/base/host_name.h"

#include <unistd.h>

#include <array>

namespace rcnn {

std::string HostName(absl::string_view otherwise) {
  std::array<char, 256> name = {};
  const bool known = gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0';
  return known ? std::string(name.data()) : std::string(otherwise);
}

}  // namespace rcnn
