#include "rcnn/configs/testing/parse_text.h"

#include "absl/status/status.h"
#include "glog/logging.h"
#include "rcnn/configs/textproto.h"

namespace rcnn::configs {

void ParseTextOrDie(absl::string_view text, google::protobuf::Message* message) {
  const absl::Status status = ParseTextproto(text, "text", message);
  CHECK(status.ok()) << status.message() << "\n" << text;
}

}  // namespace rcnn::configs
