#include "rcnn/base/sha256.h"

#include <openssl/evp.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn {
namespace {

absl::Status Failed() { return absl::InternalError("OpenSSL cannot compute SHA-256"); }

class Hash {
 public:
  Hash() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    is_good_ = context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }

  absl::Status Add(absl::string_view bytes) {
    is_good_ = is_good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1;
    return is_good_ ? absl::OkStatus() : Failed();
  }

  // To be called once.
  absl::StatusOr<std::string> Take() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (!is_good_ || EVP_DigestFinal_ex(context_.get(), digest, &size) != 1) return Failed();
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  bool is_good_;
};

}  // namespace

absl::StatusOr<std::string> Sha256(absl::string_view bytes) {
  Hash hash;
  RCNN_RETURN_IF_ERROR(hash.Add(bytes));
  return hash.Take();
}

absl::StatusOr<std::string> Sha256OfFile(const std::string& path, FileDigest* also) {
  Hash hash;
  FileDigest digest;
  RCNN_RETURN_IF_ERROR(ReadInPieces(path, [&](absl::string_view piece) {
    if (also != nullptr) {
      digest.size += static_cast<int64_t>(piece.size());
      digest.crc32c = Crc32c(piece, digest.crc32c);
    }
    return hash.Add(piece);
  }));
  if (also != nullptr) *also = digest;
  return hash.Take();
}

}  // namespace rcnn
