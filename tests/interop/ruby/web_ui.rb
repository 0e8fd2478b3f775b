# frozen_string_literal: true

# A browser for Sidekiq's own Web UI, without a port: cookies, sessions and what its POSTs are checked for.

require_relative "connect"
require "sidekiq/web"
require "rack/builder"
require "rack/test"
begin
  require "rack/session" # a gem of its own since Rack 3
rescue LoadError
  require "rack/session/cookie"
end

module Interop
  class WebUi
    SECRET = "of no value here" * 4 # 64 bytes

    def initialize
      browser = self
      app = Rack::Builder.new do
        use Rack::Session::Cookie, secret: SECRET, same_site: true
        run ->(env) { browser.serve(env) }
      end
      @pages = Rack::Test::Session.new(app.to_app)
    end

    # Sidekiq::Web, noting the CSRF token that its forms would carry (6, 7 and 8.0; later ones have none).
    def serve(env)
      Sidekiq::Web.call(env)
    ensure
      @token = env[:csrf_token] if env[:csrf_token]
    end

    # An error in a page is a 500 with its text, as from a real server.
    def visit(method, path, params = {})
      fields = method == "GET" ? params : params.merge(token_field)
      @pages.public_send(method.downcase, path, fields, {"HTTP_SEC_FETCH_SITE" => "same-origin"})
      answer = @pages.last_response
      {"status" => answer.status, "headers" => answer.headers.to_h, "body" => text(answer.body)}
    rescue StandardError, SystemStackError => error
      body = ["#{error.class}: #{error.message}", *error.backtrace.first(20)].join("\n")
      {"status" => 500, "headers" => {}, "body" => text(body)}
    end

    private

    def token_field
      @pages.get("/") unless @token
      @token ? {"authenticity_token" => @token} : {}
    end

    def text(bytes)
      bytes.dup.force_encoding(Encoding::UTF_8).scrub
    end
  end
end
